"""An ask as a card shows it, and its content in full: shared by open and closed cards. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import msgspec

from api.words.asks import note_of, whole_text
from bot.bodies import Button, Control, File, Style, Verb
from bot.markdown.cards import code_block, diff_block, escape_inline
from bot.tool_lines import short_path
from sessions.model import PermissionBody
from sessions.stored import StoredAsk

MOST_WORDS = 300
"""Most characters of Claude's or the CLI's words on a call. Cards cut longer ones; the file has them whole."""
_MOST_WORK = 2_000_000
"""Steps of comparing lines in one ask, some 0.1 s: `difflib` would take hours for edits of megabytes."""


@dataclass(frozen=True, slots=True)
class AskFace:
    """An ask as a card shows it. `picked`: question number → answers chosen so far.

    `work_directory` is a directory's name, to shorten paths.
    """

    ask: StoredAsk
    session_id: str
    owner_id: int
    picked: Mapping[str, Sequence[str]] = field(default_factory=dict)
    work_directory: str = ""

    def button(self, verb: Verb, label: str, style: Style = Style.SECONDARY, detail: str = "") -> Button:
        return Button(Control(verb, self.session_id, self.ask.ask.id, detail), label, style)


def whole_ask(ask: StoredAsk) -> File:
    """Return the whole content of the ask as a file, for the button `Show all`."""
    body = ask.ask.body
    match body:
        case PermissionBody():
            text, language = what_of(body, whole=True)
            name = {"bash": "command.sh", "diff": "change.diff", "json": "input.json"}.get(
                language, "input.txt"
            )
            said = [body.description, body.reason, *(each.words for each in body.suggestions)]
            if cut := [words for words in said if len(words) > MOST_WORDS]:
                comment = "# " if language == "bash" else ""
                text = "".join(f"{comment}{' '.join(words.split())}\n" for words in cut) + "\n" + text
        case _:
            name, text = whole_text(body, ask.decision)
    if ask.decision is not None and (note := note_of(ask.decision)):
        text += f"\n\nNote: {note}"
    # `replace`: the input may have lone surrogates, which no encoding takes.
    return File(name, text.encode(errors="replace"), "Everything that Claude asks about")


def what_of(body: PermissionBody, work_directory: str = "", *, whole: bool = False) -> tuple[str, str]:
    """Return the whole text of the tool's input (a command, a diff, JSON), and the language to show it in.

    Paths are relative to the work directory; with `whole`, they are as the tool gets them.
    """
    given: Mapping[str, Any] = body.input
    command = given.get("command")
    if isinstance(command, str):
        return command, "bash"
    if not whole:
        given = _with_short_paths(body, work_directory)
    path = next(
        (given[name] for name in ("file_path", "notebook_path") if isinstance(given.get(name), str)), ""
    )
    edits = given.get("edits")
    if isinstance(edits, list):
        parts, left = [f"--- {path}"], _MOST_WORK
        for each in edits:
            if isinstance(each, Mapping):
                part, left = _diff(each, left)
                parts.append(part)
        return "\n".join(parts), "diff"
    if "new_string" in given:
        return f"--- {path}\n{_diff(given, _MOST_WORK)[0]}", "diff"
    content = given.get("content")
    if path and isinstance(content, str):
        added = "\n".join(f"+{line}" for line in content.split("\n"))
        return f"+++ {path}\n{added}", "diff"
    if len(given) == 1 and isinstance(value := next(iter(given.values())), str):
        return value, ""
    return msgspec.json.format(msgspec.json.encode(given), indent=2).decode(), "json"


def _with_short_paths(body: PermissionBody, work_directory: str) -> Mapping[str, Any]:
    """Return the input with its paths as people know them: the machine's directories tell them nothing."""
    place, given = body.place, dict(body.input)
    for name in ("file_path", "notebook_path", "path"):
        path = given.get(name)
        if isinstance(path, str) and path:
            # The core knows the place of one path only; others, such as those of a search, are shortened here.
            is_place = place and PurePosixPath(place).name == PurePosixPath(path).name
            is_it = path.endswith(f"/{work_directory}") and bool(work_directory)
            given[name] = place if is_place else "." if is_it else short_path(path, work_directory)
    return given


def shown_code(text: str, language: str, limit: int) -> str:
    """Return `text` in a code block of at most `limit` characters."""
    return diff_block(text, limit) if language == "diff" else code_block(text, language, limit)


def is_cut(text: str, language: str, limit: int) -> bool:
    """Return whether `shown_code` leaves a part of `text` out."""
    # The block spells invisible characters out and is longer then, so the length of `text` does not tell.
    return shown_code(text, language, limit) != shown_code(text, language, 8 * len(text) + 200)


def described(body: PermissionBody) -> str:
    """Return Claude's description of the call, to stand behind the tool's name; empty if there is none."""
    words = escape_inline(body.description, MOST_WORDS)
    return f" · {words}" if words else ""


def _diff(edit: Mapping[str, Any], most_work: int) -> tuple[str, int]:
    """Return the changed lines of an edit with two around them, and how much of `most_work` is left.

    If finding out which lines moved would take more work, all lines from the first change to the last one count
    as changed.
    """
    old, new = (str(edit.get(name, "")).split("\n") for name in ("old_string", "new_string"))
    before = _count_alike(old, new)
    behind = _count_alike(old[before:][::-1], new[before:][::-1])
    removed, added = old[before : len(old) - behind], new[before : len(new) - behind]
    first, last = old[max(0, before - 2) : before], old[len(old) - behind :][:2]
    work = _work(removed, added)
    if work <= most_work:
        import difflib  # only here: a start does not need it

        most_work -= work
        compared = difflib.unified_diff([*first, *removed, *last], [*first, *added, *last], lineterm="", n=2)
        lines = [line for line in list(compared)[2:] if not line.startswith("@@")]
    else:
        signs = ((" ", first), ("-", removed), ("+", added), (" ", last))
        lines = [f"{sign}{line}" for sign, part in signs for line in part]
    every = "\n(everywhere in the file)" if edit.get("replace_all") is True else ""
    return "\n".join(lines) + every, most_work


def _count_alike(old: Sequence[str], new: Sequence[str]) -> int:
    """Return the number of lines up to the first that differs."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((number for number, (one, other) in pairs if one != other), min(len(old), len(new)))


def _work(old: Sequence[str], new: Sequence[str]) -> int:
    """Return the most steps that `difflib` may take: all pairs of equal lines for each line that it keeps."""
    counts = Counter(new)
    pairs = sum(counts[line] for line in old)
    return (len(old) + len(new) + pairs) * max(1, min(len(old), len(new), pairs))
