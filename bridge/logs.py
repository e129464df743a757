"""Logging: which records go to stderr and to `<data>/logs/bridge.log`, and in which form.

Records carry ids, never prompts or secrets; text that looks like a secret is removed all the same. A record's
fields are the names in its `extra`. Records of libraries are handled the same way.
"""

import json
import logging
import logging.handlers
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bridge.log_rates import RateBound
from bridge.settings_choices import LogFormat, LogLevel
from texts.os_text import clean
from texts.redaction import Redactor

FILE_BYTES = 10 * 1024 * 1024
FILES_KEPT = 5
_OURS = "claude-bridge"
# Attributes that every record has; all others are fields from `extra`.
_NO_FIELD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_COLOURS = {logging.DEBUG: 36, logging.INFO: 32, logging.WARNING: 33, logging.ERROR: 31, logging.CRITICAL: 31}
_EVENT_WIDTH = 30

# DEBUG records of these hold whole messages, the bot's token (Discord's gateway) or session titles (tmux).
_NEVER_DEBUG = (
    *("discord.http", "discord.gateway", "discord.client", "discord.webhook"),
    *("aiosqlite", "asyncio", "libtmux"),
)


@dataclass(frozen=True, slots=True)
class LogPlan:
    """How to log. `directory` is made when missing; None writes no file. `secrets` never appear in a record.

    `on_stderr` is False while a screen is drawn on the terminal.
    """

    level: LogLevel = LogLevel.INFO
    format: LogFormat = LogFormat.AUTO
    directory: Path | None = None
    secrets: Sequence[str] = ()
    on_stderr: bool = True


def set_up_logging(plan: LogPlan) -> None:
    """Route all records of this process as `plan` says, in place of an earlier set-up.

    The file is always JSON, one object a line, mode 0600, rotated at 10 MiB.
    """
    redactor = Redactor(plan.secrets)
    root = logging.getLogger()
    take_down_logging()
    handlers: list[tuple[logging.Handler, bool]] = []
    if plan.on_stderr:
        handlers.append((logging.StreamHandler(sys.stderr), _is_pretty(plan.format)))
    if plan.directory is not None:
        handlers.append((_file_handler(plan.directory), False))
    for handler, pretty in handlers:
        handler.setFormatter(_PrettyLines(redactor) if pretty else _JsonLines(redactor))
        # One for each handler: a shared one would count every record once per handler.
        handler.addFilter(RateBound())
        handler.set_name(_OURS)
        root.addHandler(handler)
    root.setLevel(plan.level)
    for name in _NEVER_DEBUG:
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))


def take_down_logging() -> None:
    """Remove and close the handlers that `set_up_logging` made."""
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if handler.get_name() == _OURS]:
        root.removeHandler(handler)
        handler.close()


class _RotatingFile(logging.handlers.RotatingFileHandler):
    """A log file that only its owner may read, also after a rotation."""

    def _open(self):  # type: ignore[no-untyped-def]  # the type of the base is private to the standard library
        stream = super()._open()
        Path(self.baseFilename).chmod(0o600)
        return stream


def _file_handler(directory: Path) -> logging.Handler:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _RotatingFile(
        directory / "bridge.log",
        maxBytes=FILE_BYTES,
        backupCount=FILES_KEPT,
        encoding="utf-8",
        # A lone surrogate in one field must not lose the whole record.
        errors="backslashreplace",
    )


def _is_pretty(chosen: LogFormat) -> bool:
    return chosen is LogFormat.PRETTY or (chosen is LogFormat.AUTO and sys.stderr.isatty())


class _Lines(logging.Formatter):
    """Formats a record as text, then removes secrets: values of any type are text by then."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        fields = {name: value for name, value in vars(record).items() if name not in _NO_FIELD}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)  # shows no local variables
        if record.stack_info:
            fields["stack"] = self.formatStack(record.stack_info)
        return clean(self._redactor.redact(self.line(record, fields)))

    def line(self, record: logging.LogRecord, fields: Mapping[str, object]) -> str:
        raise NotImplementedError


class _JsonLines(_Lines):
    """One JSON object a line."""

    def line(self, record: logging.LogRecord, fields: Mapping[str, object]) -> str:
        about = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": _time(record),
        }
        # `about` comes last, so that no field of a record takes the place of its level or time.
        return json.dumps({**fields, **about}, ensure_ascii=False, default=repr)


class _PrettyLines(_Lines):
    """For people: time, level, event, logger, fields; a traceback below."""

    def line(self, record: logging.LogRecord, fields: Mapping[str, object]) -> str:
        level = f"{record.levelname.lower():<8}"
        if sys.stderr.isatty():
            level = f"\033[{_COLOURS.get(record.levelno, 0)}m{level}\033[0m"
        below = [str(fields[name]) for name in ("stack", "exception") if name in fields]
        beside = [f"{name}={value!r}" for name, value in fields.items() if name not in ("stack", "exception")]
        head = f"{_time(record)} [{level}] {record.getMessage():<{_EVENT_WIDTH}} [{record.name}]"
        return "\n".join([" ".join([head, *beside]), *below])


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
