"""Who has which conversation open: the CLI's own register of living processes, `sessions/<pid>.json`.

Two processes may resume one conversation without a warning, and then one of them loses what the other says.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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
    """Whether process `pid` began at `started` (clock ticks since boot). Without /proc: whether it lives."""
    if pid <= 0:
        return False
    if Path("/proc/self/stat").exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return False
        state, *fields = stat.rpartition(")")[2].split()
        return state not in ("Z", "X") and fields[18] == started
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
