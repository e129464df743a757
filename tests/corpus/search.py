"""Looking for inputs that break something: each round is made from a seed and its number, and nothing else.

What is found is made smaller and kept under `kept/`, where `test_corpus.py` plays it in every run from then on.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import assert_never
from uuid import uuid4

from sessions.model import SessionId
from tests.corpus import seeds
from tests.corpus.imported import archive_holds, log_holds, transcript_holds
from tests.corpus.mutate import mutant_of_bytes, mutant_of_json
from tests.corpus.played import is_stored_as_played, neighbours_are_untouched
from tests.sessions.running_core import RunningCore, running_core

KEPT = Path(__file__).parent / "kept"
_BYTES_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Run:
    """Lines of a log; `mutants` are the places of those that no CLI printed."""

    lines: tuple[bytes, ...]
    mutants: frozenset[int]

    def without(self, number: int) -> "Run":
        lines = self.lines[:number] + self.lines[number + 1 :]
        return Run(lines, frozenset(each - (each > number) for each in self.mutants - {number}))


@dataclass(frozen=True, slots=True)
class Archive:
    """A file that claims to be an exported session."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Transcript:
    """A file that claims to be one of Claude's transcripts."""

    data: bytes


Input = Run | Archive | Transcript


@asynccontextmanager
async def laboratory(directory: Path) -> AsyncIterator[RunningCore]:
    """A core without hosts, for `judge`. A search over millions fills it: enter a new one now and then."""
    async with running_core(directory / "core") as core:
        (directory / "core" / "workspaces").mkdir(exist_ok=True)
        yield core


async def judge(core: RunningCore, given: Input, random: Random, *, pdf: bool = True) -> None:
    """Play `given` through all that reads it. Raises `Broken`, or whatever escaped.

    Without `pdf` a session is exported in every other format: a PDF takes a third of a second of CPU.
    """
    match given:
        case Run():
            log_holds(b"".join(line + b"\n" for line in given.lines), random)
            played = neighbours_are_untouched(SessionId(str(uuid4())), given.lines, given.mutants)
            await is_stored_as_played(core.db, played)
        case Archive():
            await archive_holds(core, given.data, pdf=pdf)
        case Transcript():
            await transcript_holds(core, given.data, pdf=pdf)


# --- making inputs --------------------------------------------------------------------------------------


def made_run(random: Random) -> Run:
    """A piece of a recorded stream with a few mutants among its lines, or in the place of some."""
    stream = random.choice(seeds.streams())
    start = random.randrange(len(stream))
    lines = list(stream[start : start + random.choice((5, 20, 60))])
    mutants: set[int] = set()
    for _ in range(random.choice((1, 2, 5))):
        original = random.choice(stream if random.random() < 0.7 else seeds.samples())
        if random.random() < 0.1:
            mutant = original  # a line that is there once more, or where it does not belong
        elif random.random() < _BYTES_SHARE:
            mutant = mutant_of_bytes(random, original, seeds.samples())
        else:
            mutant = mutant_of_json(random, json.loads(original), seeds.bodies())
        place = random.randrange(len(lines) + 1)
        lines.insert(place, mutant.replace(b"\n", b" "))
        mutants = {each + (each >= place) for each in mutants} | {place}
    return Run(tuple(lines), frozenset(mutants))


def made_archive(random: Random) -> Archive:
    good = seeds.archive()
    if random.random() < _BYTES_SHARE:
        return Archive(mutant_of_bytes(random, good, [good]))
    return Archive(mutant_of_json(random, json.loads(good), [json.loads(good)]))


def made_transcript(random: Random) -> Transcript:
    rows = [line.encode() for line in seeds.transcript()]
    for _ in range(random.choice((1, 2, 4))):
        place = random.randrange(len(rows))
        if random.random() < _BYTES_SHARE:
            rows[place] = mutant_of_bytes(random, rows[place], rows)
        elif random.random() < 0.2:
            rows.insert(place, random.choice(rows))
        else:
            body = json.loads(seeds.transcript()[place % len(seeds.transcript())])
            rows[place] = mutant_of_json(random, body, seeds.bodies())
    data = b"\n".join(rows)
    return Transcript(data if random.random() < 0.2 else data + b"\n")


MAKERS: dict[str, Callable[[Random], Input]] = {
    "lines": made_run,
    "archives": made_archive,
    "transcripts": made_transcript,
}


# --- keeping --------------------------------------------------------------------------------------------


def kept() -> list[Path]:
    """Every input that broke something once."""
    return sorted(path for path in KEPT.iterdir() if path.suffix in (".run", ".archive", ".transcript"))


def read(path: Path) -> Input:
    """Read a file that `keep` wrote."""
    data = path.read_bytes()
    if path.suffix == ".archive":
        return Archive(data)
    if path.suffix == ".transcript":
        return Transcript(data)
    # A line that is a mutant is marked; the bytes are as they were, but that they hold no line end.
    lines = data.split(b"\n")[:-1]
    mutants = frozenset(number for number, line in enumerate(lines) if line.startswith(b"!"))
    return Run(tuple(line[1:] for line in lines), mutants)


def keep(given: Input, name: str, directory: Path = KEPT) -> Path:
    """Write `given` where it will be played in every run. `name` should say what was wrong."""
    match given:
        case Run():
            marks = (b"!" if number in given.mutants else b" " for number in range(len(given.lines)))
            marked = (mark + line + b"\n" for mark, line in zip(marks, given.lines, strict=True))
            path, data = directory / f"{name}.run", b"".join(marked)
        case Archive(data=data):
            path = directory / f"{name}.archive"
        case Transcript(data=data):
            path = directory / f"{name}.transcript"
        case _:
            assert_never(given)
    path.write_bytes(data)
    return path


async def smaller(run: Run, is_broken: Callable[[Run], Awaitable[bool]]) -> Run:
    """`run` without the lines that are not needed to break what it breaks."""
    number = len(run.lines) - 1
    while number >= 0:
        tried = run.without(number)
        if await is_broken(tried):
            run = tried
        number = min(number, len(run.lines)) - 1
    return run
