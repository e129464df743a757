"""Tells whether any CLI that uses a configuration directory is alive, from the CLI's own register.

Format: `sessions/<pid>.json` in the configuration directory, written by the CLI while it runs and left
behind when it is killed; `procStart` is field 22 of `/proc/<pid>/stat` on Linux.
"""

import json
import os
from pathlib import Path


def any_alive(config_directory: Path) -> bool:
    """Whether one of the register's processes still runs. A reused pid does not count where /proc tells."""
    return any(_is_alive(entry) for entry in (config_directory / "sessions").glob("*.json"))


def _is_alive(entry: Path) -> bool:
    try:
        content = json.loads(entry.read_text())
        pid = int(content["pid"])
        os.kill(pid, 0)
    except PermissionError:
        return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    start = _start_time(pid)
    return start is None or str(content.get("procStart", start)) == start


def _start_time(pid: int) -> str | None:
    """Clock ticks from boot to the start of `pid`, None where there is no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]
