"""Names and paths of a repository as text for Claude and for people: one line, of limited length, in quotes.

A name may hold any bytes, and somebody may have chosen it to read like an instruction. Quotes and escapes keep
it recognizable as a name.
"""

import os
import re

_PLAIN = re.compile(r"[A-Za-z0-9_.,/@+=:~-]+")


def quoted(name: bytes | str, most: int = 120) -> str:
    """Return `name` as it is if it is plain ASCII, else in double quotes; cut to `most` characters.

    The end of a path says more than its beginning, so a long one keeps its end.
    """
    text = os.fsdecode(name)
    if len(text) > most:
        text = "…" + text[-(most - 1) :]
    if _PLAIN.fullmatch(text):
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    # A backtick could end the code in which Markdown shows the name.
    if character in '"\\`':
        return "\\" + character
    if character.isprintable():
        return character
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
