"""Say what one `claude` process needs inside a sandbox, and prepare the directories that it gets for its own.

HOME and Claude's configuration directory are a project's own inside: what `npm`, `pip` or Claude keep there
lasts, and no project reads another's. Of the real configuration, the transcripts of this project are writable;
settings, commands, agents, skills and plugins are readable; the rest is missing. Blocks on the file system.

Programs inside can write to the prepared directories. `own_files` has the ways to touch what lies there.
"""

import hashlib
import json
import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec.structs import replace

from backends.sandbox.model import Access, Blank, Own
from sessions.claude.errors import ClaudeError
from sessions.claude.launch import Brought, Closed, Fork, Fresh, InstructionsOnly, Resume, Start, Trusted
from sessions.claude.own_files import alone_in, make_empty, put, read_own, remove, remove_link_on_the_way
from sessions.claude.transcript import config_directory, find_transcript, project_directory
from sessions.claude.wire import decode

KEPT_DEFAULT = (".claude/settings.json", ".claude/settings.local.json", ".mcp.json", ".git/hooks")
"""Files of a work directory that run programs outside, as soon as somebody uses it in a terminal."""

CREDENTIALS = ".credentials.json"
"""The file in which Claude keeps a login and renews it."""

_READABLE_FILES = {"settings.json": "{}\n", "CLAUDE.md": "", "loop.md": ""}
"""Files of the configuration that steer Claude, each with the content of an empty one."""
_READABLE_DIRECTORIES = (
    "rules",
    "commands",
    "agents",
    "skills",
    "plugins",
    "hooks",
    "output-styles",
    "workflows",
)
_ANSWERS = ("remote-settings*", "policy-limits*")
"""Answers of the vendor that Claude keeps: an organization's policy, which the next start applies at once."""
_DECISIONS = "state"
"""The directory of what a person agreed to in Claude's own screens."""
_WRITTEN_DIRECTORIES = (
    *("projects", "sessions", "todos", "shell-snapshots", "session-env", "file-history", "backups", "debug"),
    *("statsig", "telemetry", "logs", "cache", "plans", "tasks", "teams", "jobs", "agent-memory", "uploads"),
    *("paste-cache", "image-cache", "file-transfers", "mcp-skill-archives", "downloads", "usage-data"),
)
"""Directories of the configuration in which Claude keeps what it needs while it runs."""
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS")
_AGENT, _CONFIG_VARIABLE = "SSH_AUTH_SOCK", "CLAUDE_CONFIG_DIR"
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
    place = state_directory(options.state, asked.work_directory)
    # Each for this user alone: `parents` would make the ones above with the user's own mask.
    for directory in (options.state, place):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone_in(place):  # two sessions of a project may start at once
        return _prepared(options, asked, place)


def _prepared(options: SandboxOptions, asked: Asked, place: Path) -> Access:
    environment = asked.environment
    config = config_directory(environment)
    home = Path(environment.get("HOME") or Path.home())
    own_home, own_config = place / "home", place / "claude"
    transcripts = project_directory(config, asked.work_directory)
    for directory in (own_home, own_config, transcripts):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.utime(place)  # its last use (`bridge/sandbox_caches.py`)
    in_config = (config / _STATE_FILE).exists() or _CONFIG_VARIABLE in environment
    real = config if in_config else home
    # Without mounts, the configuration's directory is named in the environment: see `environment_inside`.
    inside = own_config if in_config or not options.mounts else own_home
    _seed(real / _STATE_FILE, inside / _STATE_FILE, place, with_servers=asked.user_servers)
    _renew_answers(config, own_config, place)
    kept = [asked.work_directory / name for name in options.kept]
    # A work tree's git directory lies elsewhere, and its hooks run in the person's terminal just the same.
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
        # Pids inside are not those outside: all processes would write the same file of the register.
        private=(config / "sessions",),
        blank=_blanks(config, options.state / "blank"),
    ) | _credentials(config)
    # Nothing that a program inside made counts for the next process.
    if options.mounts:
        for each in access.blank:
            planted = own_config / each.target.relative_to(config)
            make_empty(planted, place, directory=each.source.is_dir())
        _remove_planted_links(access)
        return access
    return _without_mounts(access, config, own_config, place)


def _blanks(config: Path, place: Path) -> tuple[Blank, ...]:
    """Return the parts of the configuration that the user does not have. `place` gets empty ones.

    Otherwise, one allowed command could write settings that allow all others. Claude reads them at once
    (measured).
    """
    directory = place / "directory"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, empty in _READABLE_FILES.items():
        if not (place / name).exists():
            put(place / name, empty.encode(), place)
    found = [Blank(config / name, place / name) for name in _READABLE_FILES]
    found += [Blank(config / name, directory) for name in _READABLE_DIRECTORIES]
    return tuple(each for each in found if not each.target.exists())


def _remove_planted_links(access: Access) -> None:
    """Remove links from where something is shown in an own directory. Programs inside could make them."""
    for target in (*access.read, *access.write, *access.private):
        above = [each for each in access.own if each.target != target and target.is_relative_to(each.target)]
        if above:
            nearest = max(above, key=lambda each: len(each.target.parts))
            remove_link_on_the_way(nearest.source, target.relative_to(nearest.target))


def _without_mounts(access: Access, config: Path, own_config: Path, place: Path) -> Access:
    """Lay out Claude's own configuration, and return the access with which its parts stay as they are.

    Missing parts are links to empty ones: programs can make directories, to take a lock, but remove no link.
    """
    shown = {each.target.name: each.source for each in access.blank}
    real = (each for each in (*access.read, *access.write) if each.parent == config)
    shown |= {each.name: each for each in real if each.exists()}
    for name in _WRITTEN_DIRECTORIES:
        made = own_config / name
        if made.is_symlink() or not made.is_dir():
            remove(made, place)
            made.mkdir(mode=0o700)
    for name, target in shown.items():
        link = own_config / name
        if not link.is_symlink() or link.readlink() != target:
            remove(link, place)
            link.symlink_to(target)
    access |= Access(read=tuple(each.source for each in access.blank))
    if CREDENTIALS in shown:
        # To renew a login Claude makes a new file, and loses the login if it cannot (measured).
        return access
    own = [each for each in access.own if each.target != config]
    return replace(access, own=(*own, Own(config, own_config, _WRITTEN_DIRECTORIES)))


def environment_inside(options: SandboxOptions, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process in the sandbox.

    Leaves out the name of a socket that is not inside. Without mounts, programs can put another `.claude` into
    HOME, so the configuration's directory is named.
    """
    inside = {name: value for name, value in environment.items() if options.ssh_agent or name != _AGENT}
    if not options.mounts:
        inside[_CONFIG_VARIABLE] = str(config_directory(environment))
    return inside


def program_files(command: Sequence[str]) -> list[Path]:
    """Return the files of the program: where it is called, where it lies, and its package if it is node's."""
    found: list[Path] = []
    for path in (Path(word) for word in command if word.startswith("/")):
        real = path.resolve()
        # The path as called, too: a program may look at its own name.
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
            # No transcript: the CLI says so by itself, in words that `start_refusals` knows.
            with suppress(ClaudeError):
                path = find_transcript(config, conversation_id, asked.work_directory)
                if path.parent != project_directory(config, asked.work_directory):
                    return [path, path.with_suffix("")]
            return []


def _credentials(config: Path) -> Access:
    # Writable: Claude renews a login in this file, and a lost renewal would log the person out.
    return Access(write=(config / CREDENTIALS,))


def _seed(source: Path, target: Path, place: Path, *, with_servers: bool) -> None:
    """Copy Claude's state file without other projects', and without the user's servers if they do not run.

    If the user has none, the project's own is kept, but only its numbers and words: programs inside could have
    added servers, or variables of Claude's environment.
    """
    try:
        is_users = source.exists()
        body, _ = decode(source.read_bytes() if is_users else read_own(target))
    except OSError:
        return remove(target, place)
    if not isinstance(body, Mapping):
        return remove(target, place)
    left_out = {*_NOT_SEEDED, *(() if with_servers else (_SERVERS,))}
    kept = {key: value for key, value in body.items() if key not in left_out}
    if not is_users:
        kept = {key: value for key, value in kept.items() if isinstance(value, str | int | float)}
    return put(target, json.dumps(kept).encode(), place)


def _renew_answers(config: Path, own_config: Path, place: Path) -> None:
    """Let the next process begin with the vendor's answers that the user's own Claude has, and no others."""
    remove(own_config / _DECISIONS, place)
    for pattern in _ANSWERS:
        for planted in own_config.glob(pattern):
            remove(planted, place)
        for answer in config.glob(pattern):
            with suppress(OSError):
                put(own_config / answer.name, answer.read_bytes(), place)
