"""Tells a service manager that the bridge is ready, alive or ending. Does nothing without a service manager.

Format: `sd_notify(3)`, a datagram of NAME=value lines to the unix socket that NOTIFY_SOCKET names.
"""

import asyncio
import os
import socket
from collections.abc import Mapping
from contextlib import suppress


def notify(*states: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Send `states`, for example `READY=1`; return whether they were sent. Never raises, never waits."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = f"\0{address[1:]}"  # Linux's abstract names
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto("\n".join(states).encode(), address)
        return True
    return False


def watchdog_s(environment: Mapping[str, str] = os.environ) -> float | None:
    """Return the seconds within which the manager expects a sign of life, or None if it expects none."""
    usec, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    # Inherited variables of another process do not count: then WATCHDOG_PID is not ours.
    if not usec.isdigit() or int(usec) == 0 or pid not in ("", str(os.getpid())):
        return None
    return int(usec) / 1_000_000


async def tell_service_manager(environment: Mapping[str, str] = os.environ) -> None:
    """Report ready, then signs of life until cancelled, then the end.

    The signs come from the event loop: if it hangs, they stop and the manager restarts the bridge.
    """
    notify("READY=1", f"MAINPID={os.getpid()}", environment=environment)
    limit_s = watchdog_s(environment)
    try:
        while limit_s is not None:
            notify("WATCHDOG=1", environment=environment)
            # sd_watchdog_enabled(3) advises half of the time; a third survives one late sign.
            await asyncio.sleep(limit_s / 3)
        await asyncio.get_running_loop().create_future()
    finally:
        notify("STOPPING=1", environment=environment)
