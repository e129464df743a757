"""The head of a command, agent or skill of Claude Code: what it says of itself, and what it asks for.

The files are Markdown with YAML between two lines of `---`. Only `key: value` lines of the outermost level are
read. That is enough to show and to rebuild a file; nothing else of a head is ever passed on.
Format: Claude Code documentation, slash commands, subagents and skills.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

_KEPT = ("name", "description", "argument-hint")
"""Keys that only describe. Every other key is taken as one that grants, runs or steers something."""
_HARMLESS = frozenset({*_KEPT, "version", "author", "license", "title", "tags", "color"})
_KEY = re.compile(r"""["']?([A-Za-z][A-Za-z0-9_-]{0,60})["']?[ \t]*+:(?:[ \t]++(.*))?""")
_RUNS_INLINE = re.compile(r"!`([^`\n]{0,2000})`")
_RUNS_FENCED = re.compile(r"^```+!", re.MULTILINE)
_FILE_SIGN = re.compile(r"(?<![\w`])@(?=[\w./~\"'-])")


@dataclass(frozen=True, slots=True)
class MarkdownFile:
    """A file split into its head and its text. `head` has the outermost keys; a value may be empty."""

    head: Mapping[str, str]
    body: str

    @property
    def grants(self) -> dict[str, str]:
        """The keys that do more than describe, with their values."""
        return {key: value for key, value in self.head.items() if key not in _HARMLESS}

    @property
    def commands_run(self) -> list[str]:
        """The shell commands that Claude Code would run while it reads the text, before anybody is asked."""
        fenced = ["(a block of commands)"] * len(_RUNS_FENCED.findall(self.body))
        return [*(found.strip() for found in _RUNS_INLINE.findall(self.body)), *fenced]


def split(text: str) -> MarkdownFile:
    """Take a file apart. A head that does not end is text."""
    lines = text.removeprefix("\ufeff").split("\n")
    if lines[0].rstrip() != "---":
        return MarkdownFile({}, text)
    for number, line in enumerate(lines[1:], start=1):
        if line.rstrip() in ("---", "..."):
            return MarkdownFile(_keys(lines[1:number]), "\n".join(lines[number + 1 :]))
    return MarkdownFile({}, text)


def _keys(lines: list[str]) -> dict[str, str]:
    head: dict[str, str] = {}
    last = ""
    for line in lines:
        found = _KEY.fullmatch(line.rstrip())
        if found is not None:
            last, value = found[1].lower(), (found[2] or "").strip()
            head[last] = "" if value.rstrip("+-") in ("|", ">") else value.strip("\"'")
        elif line[:1].isspace() and last:
            head[last] = f"{head[last]} {line.strip()}".strip()
        elif line[:1] in "{?[&*!|>%@`\"'":
            head["(unreadable)"] = line.strip()[:100]
    return head


def harmless(file: MarkdownFile, note: str = "") -> str:
    """The file rebuilt so that it only says something: no grant, no command, no file read unasked.

    `note` is put before the text.
    """
    head = [f"{key}: {json.dumps(file.head[key])}" for key in _KEPT if file.head.get(key)]
    body = _RUNS_FENCED.sub("```", file.body)
    # Without the sign it is text: a command to propose, or a path that Claude may read as it reads any other.
    body = _FILE_SIGN.sub("", re.sub(r"!(?=`)", "", body))
    return "\n".join(["---", *head, "---", *([note, ""] if note else []), body])
