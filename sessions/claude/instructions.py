"""Rebuild a project's text for Claude without anything that runs, for the mode *instructions only*.

The CLI itself reads CLAUDE.md, its imports and its rules, from the project as an added directory. It refuses
imports from outside (measured), and the launch line denies memory files that are links out. Some text the CLI
would read only together with the project's settings. That text is rebuilt here: CLAUDE.local.md and AGENTS.md
as a text for the system prompt, which also names the CLAUDE.md of subdirectories; commands, agents and skills
as a plugin, made harmless first (`frontmatter.harmless`).
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from sessions.claude import frontmatter
from sessions.claude.project_offer import markdown_files, read_inside

PLUGIN_NAME = "project"
"""The prefix of the names of commands and skills: `/project:deploy`."""
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}")
_LOCAL_HEADING = "Instructions of this project for its people's own copy (CLAUDE.local.md):"
_AGENTS_HEADING = "Instructions of this project (AGENTS.md):"
_NESTED_HEADING = (
    "Some directories of this project have instructions of their own. Read the file of a directory before you "
    "work in it or below it:"
)
_MOST_NESTED = 50
_LONGEST_PATH = 200


class Instructions(msgspec.Struct, frozen=True):
    """The places of the rebuilt text. None if the project has no text of that kind."""

    plugin: Path | None = None
    system_prompt: Path | None = None


def write_instructions(project: Path, target: Path, nested: Sequence[str] = ()) -> Instructions:
    """Rebuild the text of `project` in `target`, whose old content is removed. Blocks on the file system.

    `nested` are the project's CLAUDE.md in subdirectories, relative to it: Claude is told to read them.
    """
    # A command that the project has removed must not stay.
    shutil.rmtree(target, ignore_errors=True)
    plugin = target / "plugin"
    written = [
        _write(plugin / kind / inside, text)
        for kind in ("commands", "agents", "skills")
        for inside, text in _rebuilt(project, kind)
    ]
    if written:
        _write(plugin / ".claude-plugin" / "plugin.json", f'{{"name": "{PLUGIN_NAME}"}}\n')
    prompt = "\n\n".join(_system_prompt(project, nested))
    path = _write(target / "prompt.md", prompt) if prompt else None
    return Instructions(plugin if written else None, path)


def _system_prompt(project: Path, nested: Sequence[str]) -> Iterator[str]:
    # The CLI reads AGENTS.md, where there is no CLAUDE.md, only with the project's settings (measured).
    has_memory = any((project / name).exists() for name in ("CLAUDE.md", ".claude/CLAUDE.md"))
    others = [] if has_memory else [("AGENTS.md", _AGENTS_HEADING)]
    for name, heading in (*others, ("CLAUDE.local.md", _LOCAL_HEADING)):
        text = (read_inside(project / name, project) or b"").decode("utf-8", "replace")
        if text.strip():
            yield f"{heading}\n\n{text}"
    # These names get into the system prompt: a line break in one could write instructions there.
    named = [each for each in nested if each.isprintable() and len(each) <= _LONGEST_PATH][:_MOST_NESTED]
    if named:
        yield "\n".join([_NESTED_HEADING, *(f"- {each}" for each in named)])


def _rebuilt(project: Path, kind: str) -> list[tuple[Path, str]]:
    directory = project / ".claude" / kind
    rebuilt: list[tuple[Path, str]] = []
    for path in markdown_files(directory, project):
        inside = path.relative_to(directory)
        raw = read_inside(path, project)
        # The names become paths of ours and names of commands: nothing that leads out, nothing that looks like
        # an option.
        if raw is None or not all(_PLAIN.fullmatch(part) for part in inside.parts):
            continue
        if kind == "skills" and (len(inside.parts) != 2 or inside.name != "SKILL.md"):
            continue
        place = f".claude/skills/{inside.parts[0]}/"
        note = f"The other files of this skill lie in {place}." if kind == "skills" else ""
        file = frontmatter.split(raw.decode("utf-8", "replace"))
        rebuilt.append((inside, frontmatter.harmless(file, note)))
    return rebuilt


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="replace")
    path.chmod(0o600)
    return path
