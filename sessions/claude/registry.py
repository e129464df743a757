"""Who has which conversation open: the CLI's own register of living processes, `sessions/<pid>.json`.

Two processes may resume one conversation without a warning, and then one of them loses what the other says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import machine
from sessions.claude.wire import decode, int_of, text_of


@dataclass(frozen=True, slots=True)
class OpenElsewhere:
    """A `claude` that lives and has the conversation open. `entrypoint`: cli (a terminal), sdk-cli …"""

    pid: int
    conversation_id: str
    entrypoint: str
    status: str


def open_conversations(config: Path) -> list[OpenElsewhere]:
    """The living CLIs that use this configuration directory, ours included: the caller knows its own pids.

    An entry is believed only if its process lives and has the start time that the entry says; a CLI that was
    killed leaves its entry behind.
    """
    found = []
    for path in sorted((config / "sessions").glob("*.json")):
        try:
            entry, _ = decode(path.read_bytes())
        except OSError:
            continue
        if isinstance(entry, Mapping) and _lives(int_of(entry, "pid"), text_of(entry, "procStart")):
            found.append(
                OpenElsewhere(
                    pid=int_of(entry, "pid"),
                    conversation_id=text_of(entry, "sessionId"),
                    entrypoint=text_of(entry, "entrypoint"),
                    status=text_of(entry, "status"),
                )
            )
    return found


def _lives(pid: int, started: str) -> bool:
    """Whether process `pid` lives and, where the CLI spells starts as the machine does, began at `started`."""
    row = machine.this().read_process(pid) if pid > 0 else None
    if row is None or row.zombie:
        return False
    # Clock ticks since boot on Linux; elsewhere nobody has seen yet what the CLI writes.
    return row.process.start == started or not row.process.start.isdigit()
