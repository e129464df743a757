"""Read the CLI's own register of living processes and their conversations, `sessions/<pid>.json`.

Two processes can resume one conversation without a warning. Then one of them loses the other's messages.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

import machine
from sessions.claude.wire import decode, int_of, text_of


class OpenElsewhere(msgspec.Struct, frozen=True):
    """A living `claude` that has the conversation open. `entrypoint`: cli (a terminal), sdk-cli …"""

    pid: int
    conversation_id: str
    entrypoint: str
    status: str


def open_conversations(config: Path) -> list[OpenElsewhere]:
    """Return the living CLIs that use this configuration directory, including ours: the caller knows its pids.

    An entry counts only if its process lives and has the entry's start time, because a killed CLI leaves its
    entry behind.
    """
    found = []
    for path in sorted((config / "sessions").glob("*.json")):
        try:
            entry, _ = decode(path.read_bytes())
        # Removed just now: its process has ended.
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
    """Whether process `pid` lives and began at `started`. Only Linux compares the start: see below."""
    row = machine.this().read_process(pid) if pid > 0 else None
    if row is None or row.zombie:
        return False
    # On Linux both are clock ticks since boot. The CLI's format on other systems is not known yet.
    return row.process.start == started or not row.process.start.isdigit()
