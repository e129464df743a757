"""Takes snapshots without holding up the event loop: small trees in a thread, large ones in a process.

The process is niced, keeps its memory to itself, and can be killed while a file system hangs.
"""

import asyncio
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

import msgspec

from storage import outlast, run_to_end
from workdirs.errors import CheckpointFailed, WhyNoCheckpoint
from workdirs.git import STOP
from workdirs.model import Snapshot
from workdirs.snapshot import SnapshotWish, take_snapshot
from workdirs.snapshot_process import Failed, Taken, decode_answer, encode_wish
from workdirs.store import Store

# Measured with 20,000 files: in a thread 48 MB more memory, and an event loop that stands still for 10 ms.
_SMALL_FILES = 2000
# A file of the cache takes 60 to 120 bytes. The size of the cache tells the files without reading it.
_SMALL_CACHE_BYTES = _SMALL_FILES * 90
_GRACE_S = 5.0


async def take(wish: SnapshotWish) -> Snapshot:
    """Take a snapshot as `take_snapshot` does. Raises `CheckpointFailed`, also past `wish.deadline_s`."""
    return await (_take_in_thread(wish) if _is_small(wish) else take_in_process(wish))


async def _take_in_thread(wish: SnapshotWish) -> Snapshot:
    stop = threading.Event()
    # The task and the thread copy the context, so the calls of git in the thread see the event.
    token = STOP.set(stop)
    taking = asyncio.create_task(run_to_end(take_snapshot, wish), name="snapshot")
    STOP.reset(token)
    try:
        return await asyncio.shield(taking)
    except asyncio.CancelledError:
        stop.set()  # perhaps git hangs
        # The caller holds the directory's lock, and the thread may still write into the copy for a branch.
        await outlast(taking)
        taking.exception()  # asked for here, or it is logged as forgotten
        raise


def _passed_on() -> dict[str, str]:
    """Return the variables by which git finds the user's settings."""
    names = ("PATH", "HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL")
    return {name: os.environ[name] for name in names if name in os.environ}


async def take_in_process(wish: SnapshotWish) -> Snapshot:
    """Take a snapshot in a process of its own, which ends with this call."""
    root = Path(__file__).resolve().parent.parent
    process = await asyncio.create_subprocess_exec(
        # `-P`: no module is imported from the current directory.
        *(sys.executable, "-P", "-m", "workdirs.snapshot_process"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=os.sep,
        # Nothing else of our environment: it may hold the bot's token.
        env={"PATH": os.defpath, **_passed_on(), "PYTHONPATH": os.fspath(root)},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(wish.deadline_s + _GRACE_S):
            out, _ = await process.communicate(encode_wish(wish))
    except TimeoutError as error:
        raise CheckpointFailed(WhyNoCheckpoint.TOO_SLOW, "looking at the files took too long") from error
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            await process.wait()
    try:
        answer = decode_answer(out)
    except msgspec.MsgspecError as error:
        raise CheckpointFailed(WhyNoCheckpoint.FAILED, "the process that takes checkpoints broke") from error
    match answer:
        case Taken(snapshot):
            return snapshot
        case Failed(why, sentence):
            raise CheckpointFailed(why, sentence)


def _is_small(wish: SnapshotWish) -> bool:
    try:
        return Store(wish.store).cache(wish.cache).stat().st_size < _SMALL_CACHE_BYTES
    except OSError:
        return _has_few_entries(wish.work_tree)


def _has_few_entries(directory: Path) -> bool:
    """Whether a quick look finds less than the limit. Nobody knows the tree yet."""
    waiting, left = [os.fspath(directory)], _SMALL_FILES
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    left -= 1
                    if left < 0:
                        return False
                    if entry.is_dir(follow_symlinks=False) and entry.name != ".git":
                        waiting.append(entry.path)
        except OSError:
            continue
    return True
