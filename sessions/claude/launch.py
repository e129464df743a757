"""The launch line: argv and environment of one `claude` process.

No text of a user gets into it: each value is ours, a UUID or a model's name, and any other value is refused.
The denials in the settings help against accidents and clumsy injections, but they are no wall: an allowed Bash
command can open any file that the operating system lets this user open.
"""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import assert_never
from uuid import UUID

import msgspec

from sessions.claude.errors import BadLaunch
from sessions.claude.instructions import Instructions

OWN_SERVER = "bridge"
"""The name of the MCP server with our own tools, see `tool_server.py`."""
PERMISSION_MODES = ("default", "acceptEdits", "plan", "auto", "dontAsk", "bypassPermissions")

# Names that may pass from the bridge's environment to Claude and its tools; `X_*` stands for all with that
# prefix. SSH_AUTH_SOCK is included because `git push` is everyday work. Keys of other clouds (AWS_*, GOOGLE_*)
# are not: an operator who runs Claude through one adds the names, and so decides that Claude's tools see them.
DEFAULT_CHILD_ENV = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TERM",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "XDG_STATE_HOME",
    "SSH_AUTH_SOCK",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "ANTHROPIC_*",
    "CLAUDE_CONFIG_DIR",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_MAX_RETRIES",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "CLAUDE_CODE_TMPDIR",
    "DISABLE_AUTOUPDATER",
    "DISABLE_TELEMETRY",
    "DISABLE_ERROR_REPORTING",
)

# The CLI never holds back the first piece of an answer. This sets how smoothly the rest flows, and its cost.
STREAM_HOLD_MS = 100

# Secrets of projects. `.env.example` and similar files stay readable: they are made to be read.
_SECRET_FILES = (
    ".env",
    ".env.local",
    ".env.*.local",
    ".env.development",
    ".env.production",
    ".env.staging",
    ".env.test",
)
_TOLD_APART = 16
"""So many first characters of a session's id name no other session."""
_NOT_IN_CLASS = "!-/[\\]^"
_NEVER = re.compile(r"DISCORD_.*", re.IGNORECASE)
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}(\[[A-Za-z0-9]{1,16}\])?")


class Fresh(msgspec.Struct, frozen=True):
    """A new conversation under an id that we choose."""

    conversation_id: str


class Resume(msgspec.Struct, frozen=True):
    """Continue a conversation.

    `continue_turn`: a turn that a crash has cut goes on by itself, under its prompt's uuid.
    """

    conversation_id: str
    continue_turn: bool = False


class Fork(msgspec.Struct, frozen=True):
    """A new conversation that begins as a copy of `parent_id`, whole or up to the message `at`."""

    parent_id: str
    conversation_id: str
    at: str | None = None


Start = Fresh | Resume | Fork


class Closed(msgspec.Struct, frozen=True):
    """Nothing of the project reaches Claude by itself."""


class InstructionsOnly(msgspec.Struct, frozen=True):
    """Claude reads the text of `project` and the text that `write_instructions` rebuilt, but never `links`."""

    project: Path
    rebuilt: Instructions = msgspec.field(default_factory=Instructions)
    links: Sequence[Path] = ()


class Trusted(msgspec.Struct, frozen=True):
    """The whole project counts: settings, hooks, servers.

    `allow`: the allow rules of its shared settings. The CLI itself accepts them only after its trust dialog,
    and in this mode it shows no dialog (measured).
    """

    project: Path
    allow: Sequence[str] = ()


Brought = Closed | InstructionsOnly | Trusted
"""The part of the project that counts."""


class LaunchLine(msgspec.Struct, frozen=True):
    """The values from which the argv of one `claude` is built.

    `command` begins the argv (see `locate`). `private` are the directories that Claude's tools may neither read
    nor write, such as DATA_DIR. An empty `model` leaves the choice to the CLI. `user_servers`: the MCP servers
    of the machine's user run, too. `sandboxed`: the process runs in a sandbox of ours. `uploads` has the files
    that came with prompts: Claude may read them, although they lie in a private directory. `allow` has the
    rules for our own tools.
    """

    command: Sequence[str]
    start: Start
    private: Sequence[Path]
    model: str = ""
    permission_mode: str = "default"
    brought: Brought = msgspec.field(default_factory=Closed)
    user_servers: bool = False
    sandboxed: bool = False
    uploads: Path | None = None
    allow: Sequence[str] = ()


def argv(line: LaunchLine) -> tuple[str, ...]:
    """Return the whole argv. Raises `BadLaunch` for an id, model or mode that must not reach a command line."""
    return (
        *line.command,
        "-p",
        *("--input-format", "stream-json"),
        *("--output-format", "stream-json"),
        # The CLI refuses stream-json output in print mode without it.
        "--verbose",
        "--include-partial-messages",
        # The echo says that a prompt has arrived. It also puts our answers to asks into the output log.
        "--replay-user-messages",
        # Without it every ask is denied at once, and the tools for questions and plans do not exist (measured).
        *("--permission-prompt-tool", "stdio"),
        *_conversation(line.start),
        *_model(line.model),
        *("--permission-mode", cli_mode(line.permission_mode)),
        *("--settings", json.dumps(_settings(line) | _no_sandbox_inside(line), separators=(",", ":"))),
        *_brought(line.brought, user_servers=line.user_servers),
        *(("--add-dir", str(line.uploads)) if line.uploads is not None else ()),
    )


def _brought(brought: Brought, *, user_servers: bool) -> tuple[str, ...]:
    """Return the flags for settings and servers. With the source `user` alone, nothing of the project runs."""
    only_named = () if user_servers else ("--strict-mcp-config",)
    match brought:
        case Closed():
            return ("--setting-sources", "user", *only_named)
        case InstructionsOnly(project, rebuilt):
            # An added directory brings its CLAUDE.md, imports and rules, and none of its settings (measured).
            texts = ["--add-dir", str(project)]
            if rebuilt.plugin is not None:
                texts += ["--plugin-dir", str(rebuilt.plugin)]
            if rebuilt.system_prompt is not None:
                # No snapshot of the first system prompt, so that the next process uses a changed text.
                texts += ["--append-system-prompt-file", str(rebuilt.system_prompt)]
                texts += ["--system-prompt-snapshot", "off"]
            return ("--setting-sources", "user", *only_named, *texts)
        case Trusted(project):
            servers = project / ".mcp.json"
            named = ("--mcp-config", str(servers)) if not user_servers and servers.is_file() else ()
            return ("--setting-sources", "user,project,local", *only_named, *named)
        case _:
            assert_never(brought)


def _no_sandbox_inside(line: LaunchLine) -> dict[str, object]:
    # Claude Code's own sandbox needs user namespaces. Ours forbids them: every Bash call would fail.
    return {"sandbox": {"enabled": False}} if line.sandboxed else {}


def _settings(line: LaunchLine) -> dict[str, object]:
    match line.brought:
        case Closed():
            return settings(line.private, allow=line.allow, uploads=line.uploads)
        case InstructionsOnly(links=links):
            return settings(line.private, links, line.allow, line.uploads)
        case Trusted(allow=allow):
            return settings(line.private, allow=(*allow, *line.allow), uploads=line.uploads)
        case _:
            assert_never(line.brought)


def tool_rules(tools: Sequence[str]) -> tuple[str, ...]:
    """Return the rules that allow our own tools without an ask.

    They name each tool: a server of the project may have the same name as ours, and the CLI then offers the
    tools of both (measured).
    """
    return tuple(f"mcp__{OWN_SERVER}__{tool}" for tool in tools)


def conversation_of(argv: Sequence[str]) -> str:
    """Return the conversation that a process with this argv writes to; empty if the argv names none."""
    for flag in ("--session-id", "--resume"):
        if flag in argv[:-1]:
            return argv[list(argv).index(flag) + 1]
    return ""


def resumed_conversation_of(argv: Sequence[str]) -> str:
    """Return the conversation that a process with this argv resumes or forks; empty if it began a new one."""
    return argv[list(argv).index("--resume") + 1] if "--resume" in argv[:-1] else ""


def cli_mode(mode: str) -> str:
    """Return the CLI's name for a permission mode: on its command line `default` is `manual`.

    Raises `BadLaunch` for an unknown mode.
    """
    if mode not in PERMISSION_MODES:
        raise BadLaunch("The permission mode", mode)
    return "manual" if mode == "default" else mode


def settings(
    private: Sequence[Path],
    links: Sequence[Path] = (),
    allow: Sequence[str] = (),
    uploads: Path | None = None,
) -> dict[str, object]:
    """Return this process's settings, added to the user's own: the places that Claude's tools may not touch.

    Claude may read `uploads` and everything below it, but not write there.

    `links` are memory files that lead out of the project. The CLI does not load a memory file that its rules
    deny (measured).
    """
    denied = [f"Read(//**/{name})" for name in _SECRET_FILES]
    denied += [f"Edit(//**/{name})" for name in _SECRET_FILES]
    # Both spellings: a rule matches the path as it is written, and a link leads to the same files.
    for directory in sorted({path for given in private for path in (given.absolute(), given.resolve())}):
        readable = [path for path in _names_of(uploads) if path.is_relative_to(directory)]
        denied += [f"Read(/{each})" for each in _all_but(directory, readable[0] if readable else None)]
        # One slash of ours and one of the path: a rule's absolute path begins with two.
        denied += [f"Edit(/{_literal(directory)}/**)"]
    denied += [f"Read(/{_literal(link)})" for link in links]
    return {"permissions": {"deny": denied, **({"allow": list(allow)} if allow else {})}}


def _names_of(path: Path | None) -> tuple[Path, ...]:
    return (path.absolute(), path.resolve()) if path is not None else ()


def _all_but(directory: Path, kept: Path | None) -> list[str]:
    """Return patterns that match everything below `directory` but `kept` and its content.

    A rule cannot take a part of another one back, so the patterns list all other names: those that differ in
    the first character, in the second, and so on, and those that go on. The first characters of a session's
    id tell it from all others.
    """
    if kept is None:
        return [f"{_literal(directory)}/**"]
    patterns: list[str] = []
    begin = _literal(directory)
    for name in kept.relative_to(directory).parts:
        told = name[:_TOLD_APART]
        for place, sign in enumerate(told):
            patterns += [f"{begin}/{_literal(told[:place])}{other}*" for other in _all_signs_but(sign)]
        if told != name:
            begin = f"{begin}/{_literal(told)}*"
            continue
        patterns += [f"{begin}/{_literal(told[:place])}" for place in range(1, len(told))]
        patterns.append(f"{begin}/{_literal(told)}?*")
        begin = f"{begin}/{_literal(told)}"
    return patterns


def _all_signs_but(sign: str) -> list[str]:
    """Return patterns of one character that match all others, whatever their case: the CLI ignores case.

    The CLI's patterns have classes, but no negated ones (measured).
    """
    left_out = sorted({sign.lower(), sign.upper(), *_NOT_IN_CLASS})
    ranges, first = "", " "
    for each in left_out:
        last = chr(ord(each) - 1)
        ranges += "" if last < first else first if last == first else f"{first}-{last}"
        first = chr(ord(each) + 1)
    # No pattern for a backslash: the CLI takes an escaped one for any name. No name of ours has one.
    others = [f"\\{each}" for each in _NOT_IN_CLASS if each not in ("/", "\\", sign)]
    return [f"[{ranges}{first}-\uffff]", *others]


def child_environment(
    parent: Mapping[str, str], names: Sequence[str] = DEFAULT_CHILD_ENV, *, start: Start | None = None
) -> dict[str, str]:
    """Return the child's whole environment: the variables of `parent` in `names`, and those of the protocol.

    A variable that begins with DISCORD_ never passes, even if it is listed. A variable of any name whose value
    holds the Discord token does not pass either.
    """
    token = parent.get("DISCORD_TOKEN", "")
    allowed = {
        name: value
        for name, value in parent.items()
        if _passes(name, names) and not _NEVER.fullmatch(name) and not (token and token in value)
    }
    allowed["CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS"] = "1"
    allowed["CLAUDE_CODE_ENABLE_SDK_FILE_CHECKPOINTING"] = "true"
    allowed["CLAUDE_CODE_STREAM_EVENT_HOLD_MS"] = str(STREAM_HOLD_MS)
    allowed["CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD"] = "1"  # see `_brought`
    # Even if an operator lets it pass: a cut turn that was given up would run again.
    allowed.pop("CLAUDE_CODE_RESUME_INTERRUPTED_TURN", None)
    if isinstance(start, Resume) and start.continue_turn:
        allowed["CLAUDE_CODE_RESUME_INTERRUPTED_TURN"] = "1"
    return allowed


def _passes(name: str, names: Sequence[str]) -> bool:
    return any(name.startswith(given[:-1]) if given.endswith("*") else name == given for given in names)


def _conversation(start: Start) -> tuple[str, ...]:
    match start:
        case Fresh():
            return ("--session-id", _uuid(start.conversation_id))
        case Resume():
            return ("--resume", _uuid(start.conversation_id))
        case Fork():
            return (
                *("--resume", _uuid(start.parent_id)),
                # The CLI takes an id of ours together with `--resume` only for a fork.
                *("--fork-session", "--session-id", _uuid(start.conversation_id)),
                *_cut(start.at),
            )


def _cut(at: str | None) -> tuple[str, ...]:
    return () if at is None else ("--resume-session-at", _uuid(at))


def is_model_name(model: str) -> bool:
    """Whether `model` has the form of a model's name, so that it may stand on a command line."""
    return _MODEL.fullmatch(model) is not None


def _model(model: str) -> tuple[str, ...]:
    if not model:
        return ()
    if not is_model_name(model):
        raise BadLaunch("The model", model)
    return ("--model", model)


def _uuid(value: str) -> str:
    # UUID() also accepts braces, prefixes and other digits, so compare with its canonical spelling.
    with suppress(ValueError):
        if str(UUID(value)) == value.lower():
            return value
    raise BadLaunch("The conversation's or message's id", value)


def _literal(path: Path | str) -> str:
    """Return `path` with gitignore's wildcards escaped, as a rule's pattern interprets them."""
    return re.sub(r"([\\*?\[\]!()])", r"\\\1", str(path))
