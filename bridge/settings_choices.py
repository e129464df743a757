"""The settings whose value is one of a few words."""

from enum import StrEnum


class BackendChoice(StrEnum):
    """The backend of new hosts; `auto` takes tmux and falls back to PTY."""

    AUTO = "auto"
    TMUX = "tmux"
    PTY = "pty"


class SandboxChoice(StrEnum):
    """The sandbox of new processes. `auto` and `required` take the best mechanism that works."""

    AUTO = "auto"
    REQUIRED = "required"
    BWRAP = "bwrap"
    LANDLOCK = "landlock"
    OFF = "off"


class ToolsChoice(StrEnum):
    """Whether a sandbox has the programs of PATH below the home directory."""

    AUTO = "auto"
    OFF = "off"


class CutTurns(StrEnum):
    """The treatment of a turn that was cut by a crash or reboot."""

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
