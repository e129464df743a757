"""Shared parts of the scripts: reach the running bridge's core or open one, and ask before acting."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from rich.console import Console
from rich.progress import Progress

from api import Core
from bridge.cli_core import demo_or_not, say_on_stderr
from bridge.control_client import connected
from bridge.ownership import OwnerKind, current_owner
from bridge.settings import Settings

_LOOK_S = 0.1

EXIT_CODES = "exit codes: 0 done, 1 something went wrong, 2 bad usage or settings"


def script_parser(name: str, description: str, details: str) -> ArgumentParser:
    """Return a parser with the options of every script: `--help` with `details`, and `--demo`."""
    parser = ArgumentParser(
        prog=name,
        description=description,
        epilog=f"{details.strip()}\n\n{EXIT_CODES}\n",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--demo", action="store_true", help="of the demo instead of the real sessions")
    return parser


@asynccontextmanager
async def script_core(settings: Settings, *, demo: bool) -> AsyncIterator[Core]:
    """Yield the core of the process that owns the data directory, or else one opened here.

    `settings` are the real ones, also for the demo. Raises `CoreLost` and the errors of `open_core`.
    """
    place = demo_or_not(settings, demo=demo)
    if current_owner(place.data_dir) is not None:
        async with connected(place.data_dir) as core:
            yield core
        return
    from bridge.wiring import CoreOptions, open_core

    options = CoreOptions(OwnerKind.SCRIPT, demo=demo, logs_on_stderr=False, say=say_on_stderr)
    async with open_core(place, options) as opened:
        yield opened.service


def confirmed(question: str, *, yes: bool) -> bool:
    """Whether to go on: if `yes`, or if the person at the terminal agrees."""
    if yes:
        return True
    if not sys.stdin.isatty():
        say_on_stderr(f"{question} Nobody is here to ask; --yes says it beforehand.")
        return False
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:  # Ctrl-D
        print()
        return False


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show on a terminal that `what` is in progress while the block runs."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(f"{what} …"):
        yield


@contextmanager
def growing(what: str, directory: Path, total_bytes: int) -> Iterator[None]:
    """Show the progress of `what` on a terminal inside the block: `directory` grows by `total_bytes`."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    before = _bytes_in(directory)
    done = Event()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(what, total=max(1, total_bytes))

        def watch() -> None:
            while not done.wait(_LOOK_S):
                progress.update(task, completed=_bytes_in(directory) - before)

        # A thread, because the block makes the copy with blocking calls.
        watching = Thread(target=watch, name="progress", daemon=True)
        watching.start()
        try:
            yield
        finally:
            done.set()
            watching.join()


def _bytes_in(directory: Path) -> int:
    total = 0
    for path in directory.rglob("*"):
        with suppress(OSError):  # the file was deleted meanwhile
            total += path.stat().st_size
    return total
