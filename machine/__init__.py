"""The operating system behind one port, with all differences between Linux and macOS.

`port.py` declares the questions, `linux.py` and `macos.py` answer them. No other package reads `/proc` or
checks which system this is. `backends/host.sh` gets its differences from `start_source` and `tail`. Knows no
host, no session.
"""

import platform
from functools import cache

from machine.port import DeathDescriptor, Machine, ProcessId, ProcessRow

__all__ = ["DeathDescriptor", "Machine", "ProcessId", "ProcessRow", "this"]


@cache
def this() -> Machine:
    """Return the machine that we run on."""
    if platform.system() == "Darwin":
        from machine.macos import MacMachine

        return MacMachine()
    from machine.linux import LinuxMachine

    return LinuxMachine()
