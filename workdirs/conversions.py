"""Find the paths whose bytes git converts between a commit and the disk: by attributes or by `core.autocrlf`.

Only attributes and settings are read. No filter runs.
"""

from collections.abc import Collection

import msgspec

from workdirs.git import run
from workdirs.model import FilePath
from workdirs.people_settings import people_setting
from workdirs.repository import Repository

_PROGRAMS = (b"filter", b"ident", b"working-tree-encoding")
_UNSET = (b"unspecified", b"unset")


class Conversions(msgspec.Struct, frozen=True):
    """Paths by the kind of conversion.

    `programs`: a filter, `ident` or an encoding. `to_crlf`: the disk gets CRLF. `from_crlf`: a commit gets LF
    where the file has CRLF.
    """

    programs: frozenset[bytes]
    to_crlf: frozenset[bytes]
    from_crlf: frozenset[bytes]


def find_conversions(repository: Repository, paths: Collection[FilePath]) -> Conversions:
    """Return the conversions of `paths`, by the attributes in the repository's index. Raises `GitFailed`."""
    settings = _settings(repository)
    names = ("text", "eol", *(name.decode() for name in _PROGRAMS))
    given = b"".join(path + b"\0" for path in paths)
    answer = run(repository.call("check-attr", "--cached", "--stdin", "-z", *names, stdin=given))
    fields = answer.out.split(b"\0")
    attributes: dict[bytes, dict[bytes, bytes]] = {}
    for path, name, value in zip(fields[0::3], fields[1::3], fields[2::3], strict=False):
        attributes.setdefault(path, {})[name] = value
    programs, to_crlf, from_crlf = set(), set(), set()
    for path, known in attributes.items():
        if any(known.get(name, b"unset") not in _UNSET for name in _PROGRAMS):
            programs.add(path)
        text, eol = known.get(b"text", b"unspecified"), known.get(b"eol", b"unspecified")
        # `eol` without `text` means text, too (gitattributes(5), `eol`).
        is_text = text not in _UNSET or (eol not in _UNSET and text != b"unset")
        # git guesses by the content here. Such a file counts as converted, whatever is in it.
        is_guessed = text == b"unspecified" and settings.autocrlf in ("true", "input")
        if is_text or is_guessed:
            from_crlf.add(path)
            wants_crlf = settings.autocrlf == "true" or (is_text and settings.eol == "crlf")
            if eol == b"crlf" or (wants_crlf and eol != b"lf"):
                to_crlf.add(path)
    return Conversions(frozenset(programs), frozenset(to_crlf), frozenset(from_crlf))


class _Settings(msgspec.Struct, frozen=True):
    autocrlf: str
    eol: str


def _settings(repository: Repository) -> _Settings:
    listed = run(repository.call("config", "--get-regexp", r"^core\.(autocrlf|eol)$"), codes=(0, 1)).text
    words = dict(line.lower().partition(" ")[::2] for line in listed.splitlines())
    names = ("core.autocrlf", "core.eol")
    return _Settings(*(words[name] if name in words else people_setting(name).lower() for name in names))
