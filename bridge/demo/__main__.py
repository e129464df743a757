"""`python -m bridge.demo`: serves the demo model for one directory as long as it is needed.

`process.ensure_demo` starts it; people start it only to try it out. It holds the directory's lock, so a second
one ends at once. It ends by itself if the directory was removed, or if no request came for a while and no CLI
of the directory is alive.
"""

import argparse
import asyncio
import fcntl
import os
import secrets
import signal
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from bridge.demo.model import DemoModel
from bridge.demo.process import IDLE_EXIT_S, LASTING_PORTS, DemoRecord, load_record, save_record
from sessions.claude.registry import open_conversations

_LOOK_EVERY_S = 2.0
_LOOKS_UNNEEDED = 3
_TRIES = 20


def main() -> int:
    """Serve. Returns 0 after an orderly end, 3 when another process serves this directory."""
    options = _parse_options()
    options.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(options.directory / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("another process serves this directory already")
        return 3
    asyncio.run(_serve(options, lock))
    return 0


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bridge.demo", description="The demo model.")
    parser.add_argument("--directory", type=Path, required=True, help="where its record and its lock are")
    parser.add_argument("--idle-exit", type=float, default=IDLE_EXIT_S, metavar="SECONDS")
    parser.add_argument("--ready-fd", type=int, help="a descriptor that is told `ready` and closed")
    return parser.parse_args()


async def _serve(options: argparse.Namespace, lock: int) -> None:
    known = load_record(options.directory)
    identity = known.identity if known else secrets.token_hex(16)
    async with AsyncExitStack() as stack:
        demo = await _open(stack, identity, known.port if known else None)
        # Before `ready`: the process that waits for it reads the record at once.
        save_record(options.directory, DemoRecord(demo.port, identity))
        if options.ready_fd is not None:
            os.write(options.ready_fd, b"ready")
            os.close(options.ready_fd)
        await _until_unneeded(demo, options, lock)


async def _open(stack: AsyncExitStack, identity: str, last_port: int | None) -> DemoModel:
    """Start the demo on its last port, or on a new one if it had none or another program uses that port now."""
    ports = secrets.SystemRandom().sample(LASTING_PORTS, _TRIES)
    # The last port first: live CLIs were started with it, and cannot be told another.
    for port in ports if last_port is None else [last_port, *ports]:
        with suppress(OSError):
            return await stack.enter_async_context(DemoModel(port, identity=identity))
    return await stack.enter_async_context(DemoModel(identity=identity))


async def _until_unneeded(demo: DemoModel, options: argparse.Namespace, lock: int) -> None:
    """Return after a signal, if the directory is gone, or once it was idle long enough and no CLI is alive."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    looks_unneeded = 0
    # Look more than once: a CLI that is just rewriting its register seems to be missing from it.
    while looks_unneeded < _LOOKS_UNNEEDED:
        in_use = demo.unused_s < options.idle_exit
        needed = in_use or open_conversations(options.directory / "claude")
        looks_unneeded = 0 if needed else looks_unneeded + 1
        wait_s = min(_LOOK_EVERY_S, max(0.05, options.idle_exit - demo.unused_s))
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await stopped.wait()
        if stopped.is_set() or not _holds(options.directory / "serve.lock", lock):
            return


def _holds(path: Path, lock: int) -> bool:
    """Whether the lock file that we hold is still the one at `path`; if not, the directory was removed."""
    try:
        return os.path.samestat(path.stat(), os.fstat(lock))
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
