"""Logging: what goes to stderr and to `<data>/logs/bridge.log`, in which form, and what never does.

Records carry ids, never prompts or secrets; the last processor removes what looks like a secret all the same.
Libraries that use the standard library's logging come out the same way.
"""

import logging
import logging.handlers
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from bridge.log_rates import RateBound
from bridge.settings_choices import LogFormat, LogLevel
from texts.redaction import Redactor

FILE_BYTES = 10 * 1024 * 1024
FILES_KEPT = 5
_OURS = "claude-bridge"
# The other formatters show local variables, and with them prompts.
_PLAIN = structlog.dev.plain_traceback

# Their DEBUG records hold whole messages, Discord's gateway its token, tmux's commands titles of sessions.
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
    """Route all records of this process, structlog's and the standard library's, as `plan` says.

    Replaces an earlier set-up. The file is always JSON, one object a line, mode 0600, turned over at 10 MiB.
    """
    redact = Redactor(plan.secrets).redact
    root = logging.getLogger()
    take_down_logging()
    handlers: list[tuple[logging.Handler, bool]] = []
    if plan.on_stderr:
        handlers.append((logging.StreamHandler(sys.stderr), _is_pretty(plan.format)))
    if plan.directory is not None:
        handlers.append((_file_handler(plan.directory), False))
    for handler, pretty in handlers:
        handler.setFormatter(_formatter(redact, pretty=pretty))
        handler.addFilter(RateBound())
        handler.set_name(_OURS)
        root.addHandler(handler)
    root.setLevel(plan.level)
    for name in _NEVER_DEBUG:
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def take_down_logging() -> None:
    """Remove and close the handlers that `set_up_logging` made."""
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if handler.get_name() == _OURS]:
        root.removeHandler(handler)
        handler.close()


class _RotatingFile(logging.handlers.RotatingFileHandler):
    """A log file that only its owner may read, also after it was turned over."""

    def _open(self):  # type: ignore[no-untyped-def]  # the type of the base is private to the standard library
        stream = super()._open()
        Path(self.baseFilename).chmod(0o600)
        return stream


def _file_handler(directory: Path) -> logging.Handler:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _RotatingFile(
        directory / "bridge.log", maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8"
    )


def _is_pretty(chosen: LogFormat) -> bool:
    return chosen is LogFormat.PRETTY or (chosen is LogFormat.AUTO and sys.stderr.isatty())


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _formatter(redact: Callable[[str], str], *, pretty: bool) -> logging.Formatter:
    def redact_line(_logger: WrappedLogger, _name: str, line: EventDict | str) -> str:
        # After rendering: whatever a value was, here it is text.
        return redact(str(line))

    render: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_PLAIN)]
        if pretty
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared_processors(),
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render, redact_line],
    )
