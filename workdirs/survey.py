"""Survey a project for the first prompt: its commands, its guidance, directories not worth searching.

Nothing that a repository wrote reaches the text unchecked: a command is one of our own forms, and names in it
have the form of a task's name. A file's content is never shown. Reading follows no link and stops at a size.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from workdirs.manifests import FoundCommand, Manifests, find_commands
from workdirs.quoting import quoted
from workdirs.tokens import estimated_tokens

MOST_SURVEY_TOKENS = 1200

_GUIDES = ("CLAUDE.md", "AGENTS.md", ".claude/CLAUDE.md", "CLAUDE.local.md")
_DOCS = frozenset({"docs", "doc", "documentation", "readme", "readme.md", "readme.rst", "readme.txt"})
_GENERATED = frozenset(
    {"node_modules", "bower_components", "vendor", "third_party", "dist", "build", "out", "target", "coverage"}
    | {"__pycache__", "venv", "env", ".venv", ".tox", ".nox", ".next", ".nuxt", ".gradle", "bin", "obj", "pods"}
)
_MOST_ENTRIES = 2000
_MOST_LARGE = 1000
_MOST_NAMED = 8


class Survey(msgspec.Struct, frozen=True):
    """The facts of a project that Claude cannot see cheaply.

    `has_guide`: CLAUDE.md or AGENTS.md exists. `elsewhere` are directories with a manifest of their own,
    `nested` ones with a repository of their own, `heavy` large or generated ones. Names are as on the disk.
    """

    commands: tuple[FoundCommand, ...] = ()
    has_guide: bool = False
    has_docs: bool = False
    has_files: bool = False
    elsewhere: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()
    heavy: tuple[str, ...] = ()

    @property
    def wants_guide(self) -> bool:
        """Whether `/init` is worth offering: there are files, but neither guidance nor documentation."""
        return self.has_files and not self.has_guide and not self.has_docs


def look(directory: Path) -> Survey:
    """Survey `directory`. Blocks for milliseconds; an entry that cannot be read counts as absent."""
    try:
        entries = sorted(_listed(directory), key=lambda entry: entry.name)
    except OSError:
        return Survey()
    directories = [each for each in entries if _is_directory(each)]
    budget = _Budget(_MOST_ENTRIES * 4)
    # One budget for all: a workspace with thousands of directories must not hold up the first prompt.
    heavy = [each.name for each in directories if each.name != ".git" and _is_heavy(each, budget)]
    near = [each.name for each in directories if each.name not in heavy and not each.name.startswith(".")]
    return Survey(
        commands=find_commands(Manifests(directory)),
        has_guide=any(_exists(directory / name) for name in _GUIDES),
        has_docs=any(each.name.lower() in _DOCS for each in entries),
        has_files=any(not each.name.startswith(".") for each in entries),
        elsewhere=tuple(name for name in near[:50] if find_commands(Manifests(directory / name))),
        nested=tuple(name for name in near[:200] if _exists(directory / name / ".git")),
        heavy=tuple(heavy),
    )


def survey_text(survey: Survey, facts: Sequence[str] = (), *, most_tokens: int = MOST_SURVEY_TOKENS) -> str:
    """Return the survey as text of at most `most_tokens`, the most useful lines first; it may be empty.

    `facts` are lines of the caller on the session: its focus, other sessions here, points that are still open.
    """
    lines: list[str] = []
    left = most_tokens
    for line in [*_command_lines(survey), *facts, *_place_lines(survey)]:
        cost = estimated_tokens(line) + 1
        if cost <= left:
            lines.append(line)
            left -= cost
    return "\n".join(lines)


def _command_lines(survey: Survey) -> Iterator[str]:
    for each in survey.commands:
        yield f"- {each.purpose}: `{each.command}` (from {each.source})"
    if survey.elsewhere:
        yield f"- Manifests also in: {_names(survey.elsewhere)}"


def _place_lines(survey: Survey) -> Iterator[str]:
    if survey.nested:
        yield f"- Repositories of their own inside this one: {_names(survey.nested)}"
    if survey.heavy:
        yield f"- Large or generated directories, not worth searching: {_names(survey.heavy)}"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(quoted(each, 60) for each in names[:_MOST_NAMED]) + more


@dataclass(slots=True)
class _Budget:
    """The entries that may still be listed, over all directories."""

    left: int


def _is_heavy(entry: "os.DirEntry[str]", budget: _Budget) -> bool:
    return entry.name.lower() in _GENERATED or _count(Path(entry.path), budget) > _MOST_LARGE


def _count(directory: Path, budget: _Budget) -> int:
    """Count entries in and one level below `directory`, up to the limit for large ones and the budget."""
    found = 0
    waiting = [directory]
    while waiting and found <= _MOST_LARGE:
        place = waiting.pop()
        try:
            for entry in _listed(place):
                found += 1
                if place is directory and _is_directory(entry):
                    waiting.append(Path(entry.path))
        except OSError:
            continue
    budget.left -= found
    # Nobody counted it to the end, so it is not called large.
    return found if budget.left >= 0 else 0


def _listed(directory: Path) -> "Iterator[os.DirEntry[str]]":
    """Yield at most `_MOST_ENTRIES` entries."""
    with os.scandir(directory) as entries:
        for _, entry in zip(range(_MOST_ENTRIES), entries, strict=False):
            yield entry


def _is_directory(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except (OSError, ValueError):
        return False
    return True
