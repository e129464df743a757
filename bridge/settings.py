"""The table of settings: name, effect and allowed values of each. `bridge/settings_loading.py` reads them.

Every setting is a field of `Settings`; its name in capitals is the variable's name. Its text for people, in
`.env.example` and in errors, is beside it. Claude's own variables (ANTHROPIC_API_KEY …) are not settings:
`CHILD_ENV` names those that pass to Claude.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import time
from pathlib import Path

from backends.sandbox.model import Network
from bot.scopes import SessionScope, ThreadTalk
from bridge.settings_choices import BackendChoice, CutTurns, LogFormat, LogLevel, SandboxChoice, ToolsChoice
from bridge.settings_values import (
    Secret,
    Setting,
    boolean,
    choice,
    directory_name,
    discord_ids,
    hosts,
    ip_addresses,
    location,
    locations,
    names,
    number,
    optional,
    secret,
    setting,
    size,
    text,
    time_of_day,
    variables,
    web_address,
    web_path,
    whole,
    words,
    zero_is_none,
)
from sessions.bypass import BypassFor
from sessions.claude.sandbox_access import KEPT_DEFAULT
from sessions.model import PermissionMode
from sessions.trust import UserServers, WhoTrusts

IDS = "ids of 15 to 20 digits, divided by commas or spaces (in Discord: developer mode, then Copy ID)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. Durations are in seconds, sizes in bytes, paths absolute; None or empty means not set."""

    # fmt: off
    discord_token: Secret | None = setting(
        optional(secret), "", write="the token as the portal shows it",
        does="The bot's token (Discord developer portal, Bot). Without it there is only the terminal.",
    )
    allowed_guild_ids: frozenset[int] = setting(
        discord_ids, "", write=IDS,
        does="The servers that the bot works in. Needed for Discord.",
    )
    allowed_user_ids: frozenset[int] = setting(
        discord_ids, "", write=IDS,
        does="People who may use the bot there.",
    )
    allowed_role_ids: frozenset[int] = setting(
        discord_ids, "", write=IDS,
        does="Roles whose members may use the bot there.",
    )
    viewer_role_ids: frozenset[int] = setting(
        discord_ids, "", write=IDS,
        does="Roles whose members may only read along.",
    )
    admin_user_ids: frozenset[int] = setting(
        discord_ids, "", write=IDS,
        does="People who may do everything, in every session.",
    )

    trust_projects: WhoTrusts = setting(
        choice(WhoTrusts), "ask", write="ask, owner, all or none",
        does="People who may trust a project's hooks, servers and settings: an admin (ask), or its owner, too.",
    )
    mcp_servers: UserServers = setting(
        choice(UserServers), "admins", write="admins, all or none",
        does="Sessions in which the MCP servers of this machine's user run: an admin's, all, or none.",
    )
    session_scope: SessionScope = setting(
        choice(SessionScope), "thread", write="thread, channel or user",
        does="The place of a Discord session: one session for each thread, channel or user.",
    )
    thread_talk: ThreadTalk = setting(
        choice(ThreadTalk), "all", write="all or mention",
        does="Messages in a session's thread that are prompts: all but those for other people, or mentions.",
    )
    sign_waiting: bool = setting(
        boolean, "true", write="true or false",
        does="Whether the bot puts ⏳ on a message whose prompt waits, until the prompt starts.",
    )
    thread_context: int = setting(
        whole(at_least=0, at_most=100), "20", write="a whole number from 0 to 100",
        does="Messages of a thread that Claude reads when somebody mentions the bot there; 0 for none.",
    )
    workspace_root: Path = setting(
        location, "workspaces", write="a directory",
        does="The directory that holds the projects; sessions run nowhere else.",
    )
    max_sessions: int = setting(
        whole(at_least=1), "10", write="a whole number from 1 on",
        does="Claude processes alive at once; each takes about 200 MB.",
    )
    max_sessions_per_user: int = setting(
        whole(at_least=1), "3", write="a whole number from 1 on",
        does="Claude processes alive at once in the sessions of one user.",
    )
    default_timeout: float = setting(
        number(above=0), "300", write="seconds",
        does="Seconds without activity until a session is parked; it wakes on the next prompt.",
    )
    freeze_after: float | None = setting(
        zero_is_none(number(above=0)), "20", write="seconds",
        does="Seconds without activity until an idle Claude is frozen; its next prompt thaws it. 0: never.",
    )
    no_progress_timeout: float = setting(
        number(above=0), "900", write="seconds",
        does="Seconds without output, CPU time or a child process until a working Claude counts as stuck.",
    )
    ask_timeout: float | None = setting(
        optional(number(above=0)), "", write="seconds, or nothing",
        does="Seconds until an open ask is denied by itself, after a reminder. Empty: never.",
    )
    ask_park_after: float = setting(
        number(above=0), "3600", write="seconds",
        does="Seconds that an open ask may hold a place that others wait for.",
    )
    schedule_keep: float = setting(
        number(above=0), "86400", write="seconds",
        does="Seconds that a process is kept for what Claude has scheduled, counted from the last schedule.",
    )
    start_timeout: float = setting(
        number(above=0), "120", write="seconds",
        does="Seconds in which a new Claude process has to answer. SessionStart hooks run before it does.",
    )
    min_free_memory: int = setting(
        size, "512M", write="a size with its unit, for example 512M or 2G",
        does="With less memory free, no Claude process starts.",
    )
    min_free_disk: int = setting(
        size, "1G", write="a size with its unit, for example 512M or 2G",
        does="With less disk space free, no turn starts.",
    )
    user_turns_per_hour: int | None = setting(
        optional(whole(at_least=1)), "", write="a whole number from 1 on, or nothing",
        does="Turns that one user may start in an hour. Empty: any number.",
    )
    user_dollars_per_day: float | None = setting(
        optional(number(above=0)), "", write="a number above 0, or nothing",
        does="US dollars that one user's turns may cost in 24 hours. Empty: any sum.",
    )
    claude_titles: bool = setting(
        boolean, "false", write="true or false",
        does="Whether Claude names each session after its first turn, by one short call to a small model.",
    )
    claude_tools: bool = setting(
        boolean, "true", write="true or false",
        does="Whether Claude has tools of the bridge in its session, for checkpoints, notes and decisions.",
    )
    project_survey: bool = setting(
        boolean, "true", write="true or false",
        does="Whether the first prompt of a session tells Claude how the project is tested and built.",
    )
    checkpoints: bool = setting(
        boolean, "true", write="true or false",
        does="Whether the files of a project are kept before each prompt and after each turn, to be put back"
        " later. Needs git.",
    )
    checkpoint_wait: float = setting(
        number(above=0), "2", write="seconds",
        does="Seconds that a prompt waits for its checkpoint at most.",
    )
    checkpoint_interval: float = setting(
        number(above=0), "1800", write="seconds",
        does="Seconds between checkpoints during a long turn, or in a directory that is too large for more.",
    )
    # A bound, because stores of this kind without one were reported to grow to hundreds of gigabytes.
    checkpoint_max_file: int = setting(
        size, "10M", write="a size with its unit, for example 512M or 2G",
        does="Larger files are in no checkpoint; a restore leaves them alone.",
    )
    checkpoint_max_files: int = setting(
        whole(at_least=1), "200000", write="a whole number from 1 on",
        does="A directory with more files has no checkpoints.",
    )
    checkpoint_max_store: int = setting(
        size, "5G", write="a size with its unit, for example 512M or 2G",
        does="The disk space of all checkpoints of one project.",
    )
    resume_cut_turns: CutTurns = setting(
        choice(CutTurns), "continue", write="continue or offer",
        does="Whether a turn that a crash or reboot cut goes on by itself, or is offered to its author.",
    )

    backend: BackendChoice = setting(
        choice(BackendChoice), "auto", write="auto, tmux or pty",
        does="The way to run Claude's processes; auto takes tmux, or pty if tmux does not work.",
    )
    host_prefix: tuple[str, ...] = setting(
        words, "", write="a command with its options",
        does="A command that starts each Claude process, for a scope of its own:"
        " docs/operation.md.",
    )
    sandbox: SandboxChoice = setting(
        choice(SandboxChoice), "auto", write="auto, required, bwrap, landlock or off",
        does="The sandbox around each Claude: the best that works, else none (auto); the best that works, else"
        " no Claude starts (required); or the one that is named. docs/sandbox.md.",
    )
    bypass_for: BypassFor = setting(
        choice(BypassFor), "admins", write="admins, sandboxed or none",
        does="People who may let Claude do everything without asking: admins; everybody, but only in bubblewrap"
        " with a limited network (sandboxed); or nobody.",
    )
    sandbox_network: Network = setting(
        choice(Network), "open", write="open, listed or model",
        does="The network in a sandbox: all; the model and the listed hosts; or the model alone.",
    )
    sandbox_hosts: tuple[str, ...] = setting(
        hosts, "", write="names of hosts, divided by commas or spaces; .example.org stands for all below it",
        does="Further hosts for SANDBOX_NETWORK=listed. Git hosts and package registries are always listed.",
    )
    sandbox_read: tuple[Path, ...] = setting(
        locations, "~/.gitconfig ~/.config/git", write="paths, divided as a shell divides words, or none",
        does="Files and directories outside of the project that Claude may read in a sandbox.",
    )
    sandbox_write: tuple[Path, ...] = setting(
        locations, "", write="paths, divided as a shell divides words, or nothing",
        does="Files and directories outside of the project that Claude may write in a sandbox.",
    )
    sandbox_keep: tuple[str, ...] = setting(
        words, " ".join(KEPT_DEFAULT), write="paths in a project, divided by spaces, or none",
        does="Existing files of a project that stay read-only in a sandbox, because they run programs outside.",
    )
    sandbox_tools: ToolsChoice = setting(
        choice(ToolsChoice), "auto", write="auto or off",
        does="Whether programs of PATH below the home directory (nvm, pyenv, cargo, uv …) are in a sandbox.",
    )
    sandbox_ssh_agent: bool = setting(
        boolean, "false", write="true or false",
        does="Whether a sandbox has the ssh agent. Claude can then use its keys, but not read them.",
    )
    sandbox_processes: int = setting(
        whole(at_least=16), "512", write="a whole number from 16 on",
        does="Processes at once in one sandbox.",
    )
    sandbox_tmp: int = setting(
        size, "512M", write="a size with its unit, for example 512M or 2G",
        does="Space of /tmp in one sandbox. It is memory.",
    )
    claude_command: str = setting(
        text, "", write="a program's name or path",
        does="The claude program. Empty: it is looked for on PATH.",
    )
    claude_model: str = setting(
        text, "", write="a model's name",
        does="The model of new sessions. Empty: Claude's own default.",
    )
    permission_mode: PermissionMode = setting(
        choice(PermissionMode), "default", write=", ".join(PermissionMode),
        does="The permission mode of new sessions: it decides what Claude may do without asking.",
    )
    child_env: tuple[str, ...] = setting(
        variables, "default", write="names, divided by commas or spaces",
        does="Variables that pass to Claude and its tools; X_* stands for all that begin with X_."
        " The word default stands for a list of harmless ones and ANTHROPIC_* (sessions/claude/launch.py):"
        " default AWS_* adds to it.",
    )

    data_dir: Path = setting(
        location, "data", write="a directory",
        does="The directory for all data of the bridge; only its user may read it.",
    )
    database_path: Path = setting(
        location, "data/sessions.db", write="a file's path",
        does="The database file. By default sessions.db in DATA_DIR.",
    )
    enable_persistence: bool = setting(
        boolean, "true", write="true or false",
        does="false: nothing is kept when the bridge ends, and Claude's processes end with it.",
    )
    retention_days: int = setting(
        whole(at_least=0), "30", write="a whole number from 0 on",
        does="Days during which a cleared session can be brought back.",
    )
    retention_sessions: int | None = setting(
        optional(whole(at_least=0)), "", write="a whole number from 0 on, or nothing",
        does="The most cleared sessions that are kept; the oldest go first. Empty: any number.",
    )
    retention_size: int | None = setting(
        optional(size), "", write="a size with its unit, for example 512M or 2G, or nothing",
        does="Space that cleared sessions may take; the oldest go first. Empty: any amount.",
    )
    archive_after_days: float | None = setting(
        optional(number(above=0)), "", write="days, or nothing",
        does="Days without activity until a session is cleared by itself. Empty: never.",
    )
    archive_retention_days: float | None = setting(
        optional(number(above=0)), "", write="days, or nothing",
        does="Days after which a session that was ended with a summary and a bundle is deleted. Empty: never.",
    )
    backup_at: time | None = setting(
        time_of_day, "03:30", write="a time of this machine such as 03:30, or off",
        does="The time of the daily backup: projects, database, transcripts and folders.",
    )
    backup_keep_days: int | None = setting(
        optional(whole(at_least=1)), "14", write="a whole number from 1 on, or nothing",
        does="Days whose newest daily backup is kept. Empty: all daily backups are kept.",
    )
    backup_keep_weeks: int = setting(
        whole(at_least=0), "8", write="a whole number from 0 on",
        does="Weeks whose newest daily backup is kept besides.",
    )
    backup_keep_sessions: int | None = setting(
        optional(whole(at_least=1)), "", write="days, or nothing",
        does="Days for which bundles of ended sessions are kept. Empty: for ever.",
    )
    backup_command: tuple[str, ...] = setting(
        words, "", write="a command with its options",
        does="A command that copies each new backup elsewhere (rclone, restic, scp); its last argument is the"
        " path.",
    )
    score_axes: tuple[str, ...] = setting(
        names, "Role Understanding Logic Elements Mood Audience Performance",
        write="up to 12 names, divided by commas or spaces",
        does="The axes of the score at the end of a session, each from 0 to 5.",
    )
    session_copy: str = setting(
        directory_name, "", write="the name of a directory, or nothing",
        does="A directory in each project that gets a copy of the sessions' folders, for people. git ignores"
        " it, and it is never read back. Empty: no copy.",
    )
    log_level: LogLevel = setting(
        choice(LogLevel), "INFO", write="DEBUG, INFO, WARNING or ERROR",
        does="The least severe records that are logged.",
    )
    log_format: LogFormat = setting(
        choice(LogFormat), "auto", write="auto, pretty or json",
        does="How the log looks on stderr; auto is pretty on a terminal, JSON elsewhere.",
    )
    metrics_file: Path | None = setting(
        optional(location), "", write="a file's path",
        does="A file that the bot writes figures to every 30 seconds, as OpenMetrics text.",
    )
    metrics_port: int | None = setting(
        optional(whole(at_least=1, at_most=65535)), "", write="a whole number from 1 to 65535, or nothing",
        does="A port of 127.0.0.1 at which the bot serves the same figures, path /metrics.",
    )
    web_port: int | None = setting(
        optional(whole(at_least=1, at_most=65535)), "", write="a whole number from 1 to 65535, or nothing",
        does="The port of the dashboard and API for a browser, for example 8765. Without it neither runs.",
    )
    web_host: str = setting(
        text, "127.0.0.1", write="an address of this machine",
        does="The address that the dashboard listens on. Another than 127.0.0.1 needs WEB_URL.",
    )
    web_url: str = setting(
        optional(web_address), "", write="an https address, or nothing",
        does="The dashboard's address from outside, if a proxy stands before it; its path may be one, too.",
    )
    web_base_path: str = setting(
        optional(web_path), "", write="a path such as /claude, or nothing",
        does="The path below which the dashboard lies, if WEB_URL has none.",
    )
    web_trusted_proxies: tuple[str, ...] = setting(
        ip_addresses, "", write="IP addresses",
        does="Proxies before the dashboard: only their X-Forwarded-For tells whose login is counted.",
    )
    web_insecure: bool = setting(
        boolean, "false", write="true or false",
        does="Allow WEB_HOST without https: everybody in that network can read what you read. doctor names it.",
    )
    # fmt: on

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must never appear in a log or a file."""
        return (self.discord_token.reveal(),) if self.discord_token else ()


SETTINGS: Mapping[str, Setting] = {each.name: each.metadata["setting"] for each in fields(Settings)}
"""Each setting by the name of its field, in the order of `.env.example`."""
