"""The settings: read once from the environment and `.env`, checked together, then frozen.

Every setting is a field of `Settings`; its name in capitals is the variable's name. What a person reads about
it, in `.env.example` and in errors, stands beside it. Claude's own variables (ANTHROPIC_API_KEY …) are not
settings: `CHILD_ENV` says which of them pass.
"""

import logging
import stat
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from dotenv.parser import Binding, parse_stream
from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from bridge.settings_errors import Problem, SettingsWrong, at, invalid_value, wrong_lines
from bridge.settings_values import (
    Bytes,
    Ids,
    Location,
    Text,
    Variables,
    Words,
    in_capitals,
    in_lower_case,
    mode_of,
    stripped,
)
from sessions.claude.launch import DEFAULT_CHILD_ENV
from sessions.model import PermissionMode

_SECRET = frozenset({"discord_token"})
_IDS = "ids of 15 to 20 digits, divided by commas or spaces (in Discord: developer mode, then Copy ID)"


class SessionScope(StrEnum):
    """What a Discord session belongs to: its own thread, a channel, or a user in a channel."""

    THREAD = "thread"
    CHANNEL = "channel"
    USER = "user"


class BackendChoice(StrEnum):
    """Which backend holds new hosts; `auto` takes tmux and falls back to PTY."""

    AUTO = "auto"
    TMUX = "tmux"
    PTY = "pty"


class CutTurns(StrEnum):
    """What happens with a turn that a crash or reboot cut."""

    CONTINUE = "continue"
    OFFER = "offer"


class LogLevel(StrEnum):
    """The least severe records that are logged."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class LogFormat(StrEnum):
    """How records look on stderr; `auto` is pretty on a terminal and JSON elsewhere."""

    AUTO = "auto"
    PRETTY = "pretty"
    JSON = "json"


def _setting(default: Any, does: str, *, write: str, shown: str | None = None, **limits: Any) -> Any:
    """A field: what it does, what to write, and how its default is written if not as `str` says."""
    return Field(
        default=default, description=does, json_schema_extra={"write": write, "shown": shown}, **limits
    )


class Settings(BaseSettings):
    """All settings. Durations are seconds, sizes bytes, paths absolute; None and empty mean: not set."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, validate_default=True, hide_input_in_errors=True
    )

    discord_token: SecretStr | None = _setting(
        None, "The bot's token (Discord developer portal, Bot). Without it there is only the terminal.",
        write="the token as the portal shows it",
    )  # fmt: skip
    allowed_guild_ids: Ids = _setting(
        frozenset(), "The servers that the bot works in. Needed for Discord.", write=_IDS
    )
    allowed_user_ids: Ids = _setting(frozenset(), "People who may use the bot there.", write=_IDS)
    allowed_role_ids: Ids = _setting(frozenset(), "Roles whose members may use the bot there.", write=_IDS)
    viewer_role_ids: Ids = _setting(frozenset(), "Roles whose members may only read along.", write=_IDS)
    admin_user_ids: Ids = _setting(frozenset(), "People who may do everything, in every session.", write=_IDS)

    session_scope: Annotated[SessionScope, BeforeValidator(in_lower_case)] = _setting(
        SessionScope.THREAD, "What a Discord session belongs to.", write="thread, channel or user"
    )
    workspace_root: Location = _setting(
        "workspaces", "The directory that projects lie in; sessions run nowhere else.", write="a directory"
    )
    max_sessions: int = _setting(
        10, "Claude processes alive at once; each takes about 200 MB.", write="a whole number from 1 on", ge=1
    )
    max_sessions_per_user: int = _setting(3, "The same, for one user.", write="a whole number from 1 on", ge=1)
    default_timeout: float = _setting(
        300, "Seconds without activity until a session is parked; it wakes on the next prompt.",
        write="seconds", gt=0,
    )  # fmt: skip
    no_progress_timeout: float = _setting(
        900, "Seconds without output, CPU time or a child process until a working Claude counts as stuck.",
        write="seconds", gt=0,
    )  # fmt: skip
    ask_timeout: float | None = _setting(
        None, "Seconds until an open ask is denied by itself, after a reminder. Empty: never.",
        write="seconds, or nothing", gt=0,
    )  # fmt: skip
    ask_park_after: float = _setting(
        3600, "Seconds that an open ask may hold a place that others wait for.", write="seconds", gt=0
    )
    min_free_memory: Bytes = _setting(
        512 * 2**20, "With less memory free, no Claude process starts.",
        write="a size with its unit, for example 512M or 2G", shown="512M", ge=0,
    )  # fmt: skip
    min_free_disk: Bytes = _setting(
        2**30, "With less disk space free, no turn starts.",
        write="a size with its unit, for example 512M or 2G", shown="1G", ge=0,
    )  # fmt: skip
    user_turns_per_hour: int | None = _setting(
        None, "Turns that one user may start in an hour. Empty: any number.",
        write="a whole number from 1 on, or nothing", ge=1,
    )  # fmt: skip
    user_dollars_per_day: float | None = _setting(
        None, "US dollars that one user's turns may cost in 24 hours. Empty: any sum.",
        write="a number above 0, or nothing", gt=0,
    )  # fmt: skip
    resume_cut_turns: Annotated[CutTurns, BeforeValidator(in_lower_case)] = _setting(
        CutTurns.CONTINUE, "A turn that a crash or reboot cut goes on by itself, or is offered to its author.",
        write="continue or offer",
    )  # fmt: skip

    backend: Annotated[BackendChoice, BeforeValidator(in_lower_case)] = _setting(
        BackendChoice.AUTO, "What holds Claude's processes; auto takes tmux, or pty where tmux does not work.",
        write="auto, tmux or pty",
    )  # fmt: skip
    host_prefix: Words = _setting(
        (), "A command that each Claude process is started through, for a scope of its own: docs/operation.md.",
        write="a command with its options", shown="",
    )  # fmt: skip
    claude_command: Text = _setting(
        "", "The claude program, if it is not to be looked for on PATH.", write="a program's name or path"
    )
    claude_model: Text = _setting(
        "", "The model of new sessions. Empty: Claude's own default.", write="a model's name"
    )
    permission_mode: Annotated[PermissionMode, BeforeValidator(stripped)] = _setting(
        PermissionMode.DEFAULT, "What Claude may do without asking, in new sessions.",
        write=", ".join(PermissionMode),
    )  # fmt: skip
    child_env: Variables = _setting(
        DEFAULT_CHILD_ENV,
        "Variables that pass to Claude and its tools; X_* stands for all that begin so. The word default stands"
        " for a list of harmless ones and ANTHROPIC_* (sessions/claude/launch.py): default AWS_* adds to it.",
        write="names, divided by commas or spaces", shown="default",
    )  # fmt: skip

    data_dir: Location = _setting(
        "data", "Everything that the bridge keeps; only its user may read it.", write="a directory"
    )
    database_path: Location = Field(
        default_factory=lambda settings: settings["data_dir"] / "sessions.db",
        description="The database file. By default sessions.db in DATA_DIR.",
        json_schema_extra={"write": "a file's path", "shown": "data/sessions.db"},
    )
    enable_persistence: bool = _setting(
        True, "false: nothing is kept when the bridge ends, and Claude's processes end with it.",
        write="true or false", shown="true",
    )  # fmt: skip
    retention_days: int = _setting(
        30, "Days that a cleared session can still be brought back.", write="a whole number from 0 on", ge=0
    )
    retention_sessions: int | None = _setting(
        None, "Cleared sessions that are kept at most; the oldest go first. Empty: any number.",
        write="a whole number from 0 on, or nothing", ge=0,
    )  # fmt: skip
    retention_size: Bytes | None = _setting(
        None, "Space that cleared sessions may take; the oldest go first. Empty: any amount.",
        write="a size with its unit, for example 512M or 2G, or nothing", ge=0,
    )  # fmt: skip
    archive_after_days: float | None = _setting(
        None, "Days without activity until a session is cleared by itself. Empty: never.",
        write="days, or nothing", gt=0,
    )  # fmt: skip
    log_level: Annotated[LogLevel, BeforeValidator(in_capitals)] = _setting(
        LogLevel.INFO, "The least severe records that are logged.", write="DEBUG, INFO, WARNING or ERROR"
    )
    log_format: Annotated[LogFormat, BeforeValidator(in_lower_case)] = _setting(
        LogFormat.AUTO, "How the log looks on stderr; auto is pretty on a terminal, JSON elsewhere.",
        write="auto, pretty or json",
    )  # fmt: skip
    metrics_file: Location | None = _setting(
        None,
        "A file that the bot writes figures to every 30 seconds, as OpenMetrics text.",
        write="a file's path",
    )
    metrics_port: int | None = _setting(
        None, "A port of 127.0.0.1 at which the bot serves the same figures, path /metrics.",
        write="a whole number from 1 to 65535, or nothing", ge=1, le=65535,
    )  # fmt: skip

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must never be seen anywhere."""
        return (self.discord_token.get_secret_value(),) if self.discord_token else ()

    def missing_for_discord(self) -> tuple[Problem, ...]:
        """What keeps the Discord face from starting: it is closed to everybody until somebody is named."""
        fields = type(self).model_fields
        missing: list[Problem] = []
        if self.discord_token is None:
            missing.append(at("discord_token", "is not set", "Write the bot's token", fields))
        if not self.allowed_guild_ids:
            missing.append(at("allowed_guild_ids", "is not set", f"Write {_IDS}", fields))
        if not (self.allowed_user_ids or self.allowed_role_ids or self.admin_user_ids):
            remedy = "Write your own id there; ALLOWED_ROLE_IDS or ADMIN_USER_IDS will do as well"
            missing.append(at("allowed_user_ids", "names nobody", remedy, fields))
        return tuple(missing)


def load_settings(env_file: Path = Path(".env")) -> Settings:
    """The settings of this process; variables come before lines of `env_file`, and empty counts as unset.

    Relative paths begin at the working directory. Raises `SettingsWrong`, which lists everything wrong.
    """
    problems = wrong_lines(_read(env_file), Settings.model_fields)
    settings: Settings | None = None
    # It would tell of the lines that `problems` has already.
    logging.getLogger("dotenv").setLevel(logging.ERROR)
    try:
        settings = Settings(_env_file=env_file, _env_file_encoding="utf-8")  # type: ignore[call-arg]  # of its base
    except ValidationError as error:
        problems += [
            invalid_value(details, Settings.model_fields, _SECRET)
            for details in error.errors()
            if details["type"]
            != "default_factory_not_called"  # what it is made from is wrong, and named already
        ]
    else:
        problems += _contradictions(settings)
    if problems or settings is None:
        # Not inside `except`: pydantic's error knows the values, secrets among them.
        raise SettingsWrong(problems)
    return settings


def _read(env_file: Path) -> list[Binding]:
    try:
        with env_file.open(encoding="utf-8") as stream:
            return list(parse_stream(stream))
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        raise SettingsWrong([Problem(env_file.name, "is not UTF-8 text", "Save it as UTF-8")]) from None
    except OSError as error:
        raise SettingsWrong(
            [Problem(env_file.name, f"cannot be read ({error.strerror})", "Check it")]
        ) from error


def _contradictions(settings: Settings) -> list[Problem]:
    fields = Settings.model_fields
    found = [
        at(name, "is a file", "Write a directory", fields)
        for name in ("data_dir", "workspace_root")
        if stat.S_ISREG(mode_of(getattr(settings, name)))
    ]
    if stat.S_ISDIR(mode_of(settings.database_path)):
        found.append(at("database_path", "is a directory", "Write a file's path", fields))
    if settings.workspace_root.is_relative_to(settings.data_dir):
        # Claude may read and write nothing below DATA_DIR.
        found.append(at("workspace_root", "lies in DATA_DIR", "Write a directory outside of it", fields))
    return found
