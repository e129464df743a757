"""What only the operating system knows, and what differs between Linux and macOS: all of it stands here.

`port.py` says what is asked, `linux.py` and `macos.py` answer. Nobody else reads `/proc` or asks which system
this is; `backends/host.sh` is told by `start_source` and `tail`. Knows no host, no session.
"""

import platform
from functools import cache

from machine.port import DeathDescriptor, Machine, ProcessId, ProcessRow

__all__ = ["DeathDescriptor", "Machine", "ProcessId", "ProcessRow", "this"]


@cache
def this() -> Machine:
    """The machine that we run on."""
    if platform.system() == "Darwin":
        from machine.macos import MacMachine

        return MacMachine()
    from machine.linux import LinuxMachine

    return LinuxMachine()
