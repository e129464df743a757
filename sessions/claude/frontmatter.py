"""Read the head of a command, agent or skill of Claude Code: its description, and the grants that it asks for.

The files are Markdown with YAML between two lines of `---`. Only `key: value` lines of the outermost level are
read: enough to show a file and to rebuild it. No other part of a head is ever passed on.
Format: Claude Code documentation, slash commands, subagents and skills.
"""

import json
import re
from collections.abc import Mapping

import msgspec

_KEPT = ("name", "description", "argument-hint")
"""The keys that a rebuilt file keeps."""
_HARMLESS = frozenset({*_KEPT, "version", "author", "license", "title", "tags", "color"})
"""Keys that only describe. Every other key counts as one that grants, runs or steers something."""
_KEY = re.compile(r"""["']?([A-Za-z][A-Za-z0-9_-]{0,60})["']?[ \t]*+:(?:[ \t]++(.*))?""")
# The CLI looks for both anywhere in the text, over several lines too (read in 2.1.332).
_RUNS_INLINE = re.compile(r"!`([^`]+)`")
_RUNS_FENCED = re.compile(r"```!")
# Whole runs of signs, each looked at once: in a file of signs alone, every shorter try costs as much again.
# What follows counts up to the next blank, whatever it begins with: `@(x)` and `@$x.md` name files, too.
_FILE_SIGN = re.compile(r"(?:(?<![\w`@])|(?<=[\w`]@))@++(?=[^ \t\n])")
_INLINE_SIGN = re.compile(r"(?<!!)!++(?=`)")
_FENCE_SIGN = re.compile(r"(?<=```)!++")


class MarkdownFile(msgspec.Struct, frozen=True):
    """A file, split into its head and its text. `head` has the outermost keys; a value may be empty."""

    head: Mapping[str, str]
    body: str

    @property
    def grants(self) -> dict[str, str]:
        """The keys that do more than describe, with their values."""
        return {key: value for key, value in self.head.items() if key not in _HARMLESS}

    @property
    def commands_run(self) -> list[str]:
        """The shell commands that Claude Code would run while it reads the text, without asking a person."""
        fenced = ["(a block of commands)"] * len(_RUNS_FENCED.findall(self.body))
        return [*(found.strip() for found in _RUNS_INLINE.findall(self.body)), *fenced]


def split(text: str) -> MarkdownFile:
    """Split a file into its head and its text. A head without an end counts as text."""
    lines = text.removeprefix("\ufeff").split("\n")
    if lines[0].rstrip() != "---":
        return MarkdownFile({}, text)
    for number, line in enumerate(lines[1:], start=1):
        if line.rstrip() in ("---", "..."):
            return MarkdownFile(_keys(lines[1:number]), "\n".join(lines[number + 1 :]))
    return MarkdownFile({}, text)


def _keys(lines: list[str]) -> dict[str, str]:
    # The parts of each value, joined once: adding each line to one text would copy that text each time.
    head: dict[str, list[str]] = {}
    last = ""
    for line in lines:
        found = _KEY.fullmatch(line.rstrip())
        if found is not None:
            last, value = found[1].lower(), (found[2] or "").strip()
            head[last] = ["" if value.rstrip("+-") in ("|", ">") else value.strip("\"'")]
        elif line[:1].isspace() and last:
            head[last].append(line.strip())
        elif line[:1] in "{?[&*!|>%@`\"'":
            head["(unreadable)"] = [line.strip()[:100]]
    return {key: " ".join(filter(None, parts)) for key, parts in head.items()}


def harmless(file: MarkdownFile, note: str = "") -> str:
    """Rebuild the file without grants, without commands, and without files that are read unasked.

    `note` is put before the text.
    """
    head = [f"{key}: {json.dumps(file.head[key])}" for key in _KEPT if file.head.get(key)]
    # Without its sign, a command or path is plain text. Claude may propose or read it, under the usual rules.
    # Signs go in whole runs, and those of fences last: the rest of a run, or two pieces around a removed sign,
    # would make a new command.
    body = _FENCE_SIGN.sub("", _INLINE_SIGN.sub("", file.body))
    body = _FILE_SIGN.sub("", body)
    return "\n".join(["---", *head, "---", *([note, ""] if note else []), body])
