"""Say what one `claude` process needs inside a sandbox, and prepare the directories that it gets for its own.

HOME and Claude's configuration directory are a project's own inside: what `npm`, `pip` or Claude keep there
lasts, and no project reads another's. Of the real configuration, the transcripts of this project are writable;
settings, commands, agents, skills and plugins are readable; the rest is missing. Blocks on the file system.

Programs inside can write to the prepared directories and plant links there. So files are put there only by a
rename of a file from beside them.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from backends.sandbox.model import Access, Blank, Own
from sessions.claude.errors import ClaudeError
from sessions.claude.launch import Brought, Closed, Fork, Fresh, InstructionsOnly, Resume, Start, Trusted
from sessions.claude.transcript import config_directory, find_transcript, project_directory
from sessions.claude.wire import decode

KEPT_DEFAULT = (".claude/settings.json", ".claude/settings.local.json", ".mcp.json", ".git/hooks")
"""Files of a work directory that run programs outside, as soon as somebody uses it in a terminal."""

CREDENTIALS = ".credentials.json"
"""The file in which Claude keeps a login and renews it."""

_READABLE_FILES = {"settings.json": "{}\n", "CLAUDE.md": ""}
"""Files of the configuration that steer Claude, each with the content of an empty one."""
_READABLE_DIRECTORIES = (
    "rules",
    "commands",
    "agents",
    "skills",
    "plugins",
    "hooks",
    "output-styles",
)
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS")
_AGENT = "SSH_AUTH_SOCK"
_STATE_FILE = ".claude.json"
# Other projects' names, histories and servers, with their secrets.
_NOT_SEEDED = ("projects", "githubRepoPaths")
_SERVERS = "mcpServers"


class SandboxOptions(msgspec.Struct, frozen=True):
    """The facts of this installation. `state` holds a directory for each project.

    `kept` are paths, relative to a work directory, that stay read-only. `ssh_agent`: the agent's socket is
    inside. `mounts`: paths are mounted into own directories; otherwise links of ours stand there.
    `open_network` lets the next sandbox of a work directory reach what it may; it raises `ClaudeError`.
    """

    state: Path
    kept: Sequence[str] = KEPT_DEFAULT
    ssh_agent: bool = False
    mounts: bool = True
    open_network: Callable[[Path], Awaitable[None]] | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One launch. `readable` and `writable` are further paths that the session needs.

    `start` is None for a program that has no conversation.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    start: Start | None
    work_directory: Path
    brought: Brought = Closed()
    user_servers: bool = False
    readable: Sequence[Path] = ()
    writable: Sequence[Path] = ()


def state_directory(state: Path, work_directory: Path) -> Path:
    """Return the directory below `state` for what the sandboxes of one project keep."""
    name = re.sub(r"[^a-zA-Z0-9]+", "-", work_directory.name)[:40]
    return state / f"{name}-{hashlib.sha256(os.fsencode(work_directory)).hexdigest()[:12]}"


def is_state_directory(name: str) -> bool:
    """Whether `name` is one that `state_directory` makes."""
    return re.fullmatch(r"[a-zA-Z0-9-]{0,40}-[0-9a-f]{12}", name) is not None


def prepare(options: SandboxOptions, asked: Asked) -> Access:
    """Make the process's own directories and return everything that it needs. Raises `OSError`."""
    environment = asked.environment
    config = config_directory(environment)
    home = Path(environment.get("HOME") or Path.home())
    place = state_directory(options.state, asked.work_directory)
    own_home, own_config = place / "home", place / "claude"
    transcripts = project_directory(config, asked.work_directory)
    # Each for this user alone: `parents` would make the ones above with the user's own mask.
    for directory in (options.state, place, own_home, own_config, transcripts):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.utime(place)  # its last use (`bridge/sandbox_caches.py`)
    in_config = (config / _STATE_FILE).exists() or "CLAUDE_CONFIG_DIR" in environment
    real, inside = (config, own_config) if in_config else (home, own_home)
    _seed(real / _STATE_FILE, inside / _STATE_FILE, place, with_servers=asked.user_servers)
    kept = [asked.work_directory / name for name in options.kept]
    kept += [each / "hooks" for each in asked.writable if ".git/hooks" in options.kept]
    agent = [Path(environment[_AGENT])] if options.ssh_agent and environment.get(_AGENT) else []
    access = Access(
        read=(
            *program_files(asked.command),
            *(config / name for name in (*_READABLE_FILES, *_READABLE_DIRECTORIES)),
            *_rebuilt(asked.brought),
            *(Path(value) for name in _CERTIFICATES if (value := environment.get(name))),
            *agent,
            *asked.readable,
        ),
        write=(asked.work_directory, transcripts, *_elsewhere(config, asked), *asked.writable),
        kept=tuple(kept),
        own=(Own(home, own_home), Own(config, own_config)),
        private=(config / "sessions",),
        blank=_blanks(config, options.state / "blank"),
    ) | _credentials(config)
    for each in access.blank:
        _remove_planted(own_config / each.target.relative_to(config), each.source)
    if options.mounts:
        _remove_planted_links(access)
    return access


def _blanks(config: Path, place: Path) -> tuple[Blank, ...]:
    """Return the parts of the configuration that the user does not have. `place` gets empty ones.

    Otherwise, one allowed command could write settings that allow all others. Claude reads them at once
    (measured).
    """
    directory = place / "directory"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, empty in _READABLE_FILES.items():
        if not (place / name).exists():
            _put(place / name, empty)
    found = [Blank(config / name, place / name) for name in _READABLE_FILES]
    found += [Blank(config / name, directory) for name in _READABLE_DIRECTORIES]
    return tuple(each for each in found if not each.target.exists())


def _remove_planted(path: Path, blank: Path) -> None:
    """Remove what a program inside made at `path`, so that nothing of it counts for the next process.

    An empty file or directory stays: it may be the mount point of a process that runs.
    """
    if path.is_symlink() or path.is_file() is not blank.is_file():
        _remove(path)
    elif blank.is_dir():
        for each in path.iterdir() if path.is_dir() else ():
            _remove(each)
    elif path.exists() and path.stat().st_size:
        # In place: the file may be the mount point of a process that runs.
        os.truncate(path, 0)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _remove_planted_links(access: Access) -> None:
    """Remove links from where something is shown in an own directory. Programs inside could make them."""
    for target in (*access.read, *access.write, *access.private):
        above = [each for each in access.own if each.target != target and target.is_relative_to(each.target)]
        if above:
            nearest = max(above, key=lambda each: len(each.target.parts))
            place = nearest.source
            for part in target.relative_to(nearest.target).parts:
                place /= part
                if place.is_symlink():
                    place.unlink(missing_ok=True)
                    break


def without_agent(options: SandboxOptions, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the name of a socket that is not inside."""
    return {name: value for name, value in environment.items() if options.ssh_agent or name != _AGENT}


def program_files(command: Sequence[str]) -> list[Path]:
    """Return the files of the program: where it is called, where it lies, and its package if it is node's."""
    found: list[Path] = []
    for path in (Path(word) for word in command if word.startswith("/")):
        real = path.resolve()
        found += [path, real]
        if "node_modules" in real.parts:
            # node_modules/NAME or node_modules/@SCOPE/NAME
            at = len(real.parts) - real.parts[::-1].index("node_modules")
            found.append(Path(*real.parts[: at + (2 if real.parts[at].startswith("@") else 1)]))
    return found


def _rebuilt(brought: Brought) -> list[Path]:
    match brought:
        case InstructionsOnly(rebuilt=rebuilt):
            return [each for each in (rebuilt.plugin, rebuilt.system_prompt) if each is not None]
        case Closed() | Trusted():
            return []


def _elsewhere(config: Path, asked: Asked) -> list[Path]:
    """Return the transcript that the process goes on from, if it lies with another directory's transcripts."""
    match asked.start:
        case None | Fresh():
            return []
        case Resume(conversation_id=conversation_id) | Fork(parent_id=conversation_id):
            with suppress(ClaudeError):
                path = find_transcript(config, conversation_id, asked.work_directory)
                if path.parent != project_directory(config, asked.work_directory):
                    return [path, path.with_suffix("")]
            return []


def _credentials(config: Path) -> Access:
    return Access(write=(config / CREDENTIALS,))


def _seed(source: Path, target: Path, place: Path, *, with_servers: bool) -> None:
    """Copy Claude's state file without other projects', and without the user's servers if they do not run.

    If the user has none, the project's own is kept without them: programs inside could have added some.
    """
    try:
        body, _ = decode((source if source.exists() else target).read_bytes())
    except OSError:
        return
    if not isinstance(body, Mapping):
        return
    left_out = {*_NOT_SEEDED, *(() if with_servers else (_SERVERS,))}
    _put(target, json.dumps({key: value for key, value in body.items() if key not in left_out}), place)


def _put(target: Path, text: str, beside: Path | None = None) -> None:
    """Write a file of this user alone in one step, by a draft in `beside` that nobody inside reaches."""
    # Two sessions of a project may start at once.
    number, draft = tempfile.mkstemp(dir=beside or target.parent, prefix="draft.")
    with os.fdopen(number, "w") as file:
        file.write(text)
    Path(draft).replace(target)
