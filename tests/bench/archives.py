"""The cost of the end of a session, its bundle, its check, and a daily backup: CPU with children, and lag."""

import asyncio
import resource
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles

import api as c
from archives.bundle import Source, sha256_of, write_bundle
from archives.manifest import Manifest
from storage import BulkStatement
from tests.bench.figures import Figure
from tests.bench.loop_lag import loop_lag
from tests.service.test_backups import ADMIN, OWNER, made, policy_in, work
from tests.sessions.running_core import RunningCore, running_core

_FILES, _CHECKPOINTS = 200, 20
_STORED = 1_000
_BEST_OF = 3
_LINES = 400


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    """The end of a session of 200 files and 20 checkpoints; bundle and check of files; a daily backup."""
    figures = [*_bundle(directory / "files", 400 if short else 2_000)]
    async with running_core(directory / "core", checkpoints=policy_in(directory / "core")) as core:
        figures.append(await _end(core))
        if not short:
            figures.append(await _daily(core))
    return figures


def _bundle(directory: Path, files: int) -> list[Figure]:
    _write(directory / "in", files)
    paths = sorted(path for path in (directory / "in").rglob("*") if path.is_file())
    sources = [Source(path.relative_to(directory).as_posix(), path) for path in paths]
    head = Manifest(kind="session", name="x", made_ms=0, entries=())
    ours, theirs = directory / "ours.zip", directory / "theirs.zip"

    def zipped() -> None:
        theirs.unlink(missing_ok=True)
        subprocess.run(["zip", "-q", "-r", theirs, "in"], cwd=directory, check=True)

    bundled_s, zip_s = _in_turns(lambda: write_bundle(ours, sources, head), zipped)
    big = directory / "big"
    with big.open("wb") as out:
        for _ in range(20 if files < 1_000 else 60):
            out.write(ours.read_bytes())
    checked_s, sum_s = _in_turns(
        lambda: sha256_of(big), lambda: subprocess.run(["sha256sum", big], capture_output=True, check=True)
    )
    note = f"{files:,} files"
    size = big.stat().st_size / 2**20
    return [
        Figure(
            "bundle of a session's files", bundled_s * 1000, "ms", zip_s * 1000, "zip", at_most=1.2, note=note
        ),
        Figure(
            "check of a backup",
            checked_s * 1000,
            "ms",
            sum_s * 1000,
            "sha256sum",
            at_most=2,
            note=f"{size:.0f} MB",
        ),
    ]


async def _end(core: RunningCore) -> Figure:
    folder = await made(core)
    _write(work(core), _FILES)
    for number in range(_CHECKPOINTS):
        (work(core) / "d0" / "f0").write_text(f"changed {number}\n")
        await core.service.perform(OWNER, c.TakeCheckpoint(session_id=folder.session_id))
    before = _cpu_s()
    ended = await core.service.perform(OWNER, c.EndSession(session_id=folder.session_id, summary="x"))
    used = _cpu_s() - before
    assert ended.trouble == ""
    note = f"{_FILES} files, {_CHECKPOINTS} checkpoints"
    return Figure("end of a session, CPU", used, "s", at_most=2, note=note)


async def _daily(core: RunningCore) -> Figure:
    """The lag of the loop beyond that of a quiet one, while everything is backed up."""
    (core.directory / "transcripts").mkdir(exist_ok=True)
    for number in range(_STORED):
        path = core.directory / "transcripts" / f"{number:08d}-0000-4000-8000-000000000000.jsonl"
        path.write_text('{"type":"user","message":"hello"}\n' * 500)
    columns = "id, user_id, channel_id, status, model, created_at, updated_at, data, work_directory"
    rows = [
        (f"01890000-0000-7000-8000-{number:012d}", "u", "c", "ended", "", 0, 0, "{}", "")
        for number in range(_STORED)
    ]
    marks = ", ".join("?" for _ in rows[0])
    await core.db.write([BulkStatement(f"INSERT INTO sessions ({columns}) VALUES ({marks})", rows)])
    async with loop_lag() as quiet_ms:
        await asyncio.sleep(2)
    async with loop_lag() as lag_ms:
        await core.service.perform(ADMIN, c.BackUpAll())
    worst = max(0.0, quantiles(lag_ms, n=100)[98] - quantiles(quiet_ms, n=100)[98])
    name = "lag of the event loop during a daily backup, p99, beyond that of a quiet one"
    return Figure(name, worst, "ms", at_most=20, note=f"{_STORED:,} stored sessions")


def _in_turns(ours: Callable[[], object], floor: Callable[[], object]) -> tuple[float, float]:
    """Return the best CPU seconds of both, of self and children, measured in turns."""
    best = [float("inf"), float("inf")]
    for _ in range(_BEST_OF):
        for place, act in enumerate((ours, floor)):
            before = _cpu_s()
            act()
            best[place] = min(best[place], _cpu_s() - before)
    return best[0], max(best[1], 0.001)


def _cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _write(root: Path, files: int) -> None:
    for number in range(files):
        path = root / f"d{number // 40}" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"line {number} {each} {each * number}\n" for each in range(_LINES)))
