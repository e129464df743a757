"""`claude-bridge skill install`: a skill for the user's own Claude in a terminal that keeps a session's record.

Written files are noted with their hashes beside them. A file that somebody edited since is left alone.
Format: Claude Code, a directory with SKILL.md and its scripts below `skills/`.
"""

import hashlib
import json
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from bridge.cli_core import say_on_stderr
from bridge.invocation import BAD_USAGE, FAILED, OK, InstallSkill
from sessions.claude.transcript import config_directory
from storage.files import write_whole

NAME = "bridge-session"
_NOTED = ".installed.json"
# Only acts that keep a record: no script of the skill changes a file of the project.
_ACTS = ("start", "checkpoint", "note", "decision", "track", "end", "list")


@dataclass(frozen=True, slots=True)
class Installed:
    """The files of an installation by what happened to them."""

    written: tuple[str, ...]
    same: tuple[str, ...]
    edited: tuple[str, ...]


def skill(wish: InstallSkill) -> int:
    """Install the skill; return the exit code."""
    root = wish.project / ".claude" if wish.project is not None else config_directory(os.environ)
    target = root / "skills" / NAME
    if wish.project is not None and not wish.project.is_dir():
        say_on_stderr(f"There is no directory {wish.project}. Name the directory of a project.")
        return BAD_USAGE
    try:
        done = install(target, contents(Path.cwd()), force=wish.force)
    except OSError as error:
        say_on_stderr(f"The skill cannot be written to {target}: {error.strerror}.")
        return FAILED
    print(f"The skill is in {target}: {len(done.written)} files written, {len(done.same)} as they were.")
    for name in done.edited:
        print(f"{name} was edited and is left as it is. --force replaces it.")
    return FAILED if done.edited else OK


def contents(bridge_directory: Path) -> dict[str, str]:
    """Return the files of the skill. Its scripts start in `bridge_directory`, where the settings are."""
    text = (files("bridge") / "skill_files" / "SKILL.md").read_text(encoding="utf-8")
    return {"SKILL.md": text, **{f"scripts/{act}.sh": _script(act, bridge_directory) for act in _ACTS}}


def install(target: Path, wanted: Mapping[str, str], *, force: bool = False) -> Installed:
    """Write the files that are missing or as an earlier version left them; with `force` edited ones, too."""
    noted = _read_notes(target / _NOTED)
    written, same, edited = [], [], []
    for name, text in wanted.items():
        path = target / name
        found = path.read_bytes() if path.is_file() else None
        if found == text.encode():
            same.append(name)
        elif found is None or force or _hash(found) == noted.get(name):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text.encode())
            path.chmod(0o755 if name.startswith("scripts/") else 0o644)
            written.append(name)
        else:
            edited.append(name)
    # An edited file keeps its old hash: with the hash of the edit, the next installation would overwrite it.
    ours = {name: _hash(text.encode()) for name, text in wanted.items() if name not in edited}
    # Last: after a kill before this line the new files are found as they should be, and stay.
    write_whole(target / _NOTED, json.dumps({**noted, **ours}, indent=1, sort_keys=True).encode() + b"\n")
    return Installed(tuple(written), tuple(same), tuple(edited))


def _script(act: str, bridge_directory: Path) -> str:
    home, python = shlex.quote(str(bridge_directory)), shlex.quote(sys.executable)
    where = ' --directory "$here"' if act == "start" else ""
    return f"""#!/bin/sh
# The bridge reads its settings in the directory where it starts.
here=$PWD
cd {home} && exec {python} -m bridge session {act}{where} "$@"
"""


def _read_notes(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
