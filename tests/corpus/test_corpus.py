"""Mutated lines, exports and transcripts: those that broke something once, and new ones from a seed.

The gate plays a few hundred new ones; `pytest -m soak tests/corpus` plays millions of lines. CORPUS_SEED
chooses others, and `python -m tests.corpus` searches without an end and keeps what it finds.
"""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random

import pytest

from sessions.claude import lines as c
from sessions.claude.parse import parse
from tests.corpus import seeds
from tests.corpus.__main__ import search
from tests.corpus.imported import archive_holds, transcript_holds
from tests.corpus.mutate import nested
from tests.corpus.played import Broken, neighbours_are_untouched, play
from tests.corpus.search import MAKERS, Run, judge, keep, kept, laboratory, made_run, read, smaller
from tests.sessions.running_core import RunningCore

SEED = os.environ.get("CORPUS_SEED", "1")
SHORT = {"lines": 250, "archives": 50, "transcripts": 25}
LONG = {"lines": 100_000, "archives": 10_000, "transcripts": 5_000}


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[RunningCore]:
    async with laboratory(tmp_path) as made:
        yield made


@pytest.mark.parametrize("path", kept(), ids=lambda path: path.name)
async def test_what_broke_something_once_breaks_it_no_more(core: RunningCore, path: Path) -> None:
    await judge(core, read(path), Random(0))


@pytest.mark.parametrize("kind", MAKERS)
async def test_mutants_break_nothing(core: RunningCore, kind: str) -> None:
    for number in range(SHORT[kind]):
        await judge(core, MAKERS[kind](Random(f"{kind} {SEED} {number}")), Random(number), pdf=number % 10 == 0)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", MAKERS)
async def test_many_mutants_break_nothing(kind: str) -> None:
    assert await search(kind, SEED, 0, LONG[kind]) == 0


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_million_mutated_lines_are_parsed() -> None:
    for number in range(150_000):
        for line in made_run(Random(f"parsed {SEED} {number}")).lines:
            parse(line)


async def test_the_seeds_are_sound(core: RunningCore) -> None:
    for stream in seeds.streams():
        assert not any(isinstance(parse(line), c.Unrecognized) for line in stream)
        await judge(core, Run(stream, frozenset()), Random(0))
    assert await archive_holds(core, seeds.archive())
    assert await transcript_holds(core, "\n".join(seeds.transcript()).encode() + b"\n")


@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_what_nests_deep_enough_to_be_read_can_be_written(brackets: str) -> None:
    """Where reading ends depends on the stack: so every depth is tried, and written from further up."""
    block = '{"type":"tool_use","id":"t","input":{"a":@}}'
    line = f'{{"type":"assistant","uuid":"u","message":{{"content":[{block}]}}}}'
    for depth in range(150, 1000):
        raw = line.replace("@", nested(brackets[0], depth)).encode()
        _from_further_up(10, play(seeds.SESSION, [raw]).draft.statements)


def _from_further_up(frames: int, call: Callable[[], object]) -> None:
    if frames:
        _from_further_up(frames - 1, call)
    else:
        call()


def test_the_same_seed_makes_the_same_mutants() -> None:
    for make in MAKERS.values():
        assert [make(Random(f"x {n}")) for n in range(20)] == [make(Random(f"x {n}")) for n in range(20)]


def test_most_mutants_are_still_lines_that_are_understood() -> None:
    """Rubbish alone would test the JSON decoder and nothing behind it."""
    runs = [made_run(Random(f"{n}")) for n in range(300)]
    mutants = [run.lines[number] for run in runs for number in run.mutants]
    understood = sum(not isinstance(parse(line), c.Unrecognized) for line in mutants)
    assert 0.3 < understood / len(mutants) < 0.9


def test_a_neighbour_that_is_changed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The claim itself: a reader that lets a bad line swallow the next one."""
    swallowing = [False]

    def parse_badly(raw: bytes) -> c.CliLine:
        line = parse(raw)
        swallowed, swallowing[0] = swallowing[0], isinstance(line, c.Unrecognized)
        return c.Unrecognized(raw, "swallowed") if swallowed else line

    stream = seeds.streams()[0]
    place = next(n for n, line in enumerate(stream) if line.startswith(b'{"type":"assistant"'))
    run = (*stream[:place], b"no line", *stream[place:])
    neighbours_are_untouched(seeds.SESSION, run, frozenset({place}))
    monkeypatch.setattr("tests.corpus.played.parse", parse_badly)
    with pytest.raises(Broken):
        neighbours_are_untouched(seeds.SESSION, run, frozenset({place}))


@pytest.mark.parametrize("kind", MAKERS)
def test_what_is_kept_is_read_as_it_was(kind: str, tmp_path: Path) -> None:
    for number in range(20):
        given = MAKERS[kind](Random(f"{number}"))
        assert read(keep(given, f"{number}", tmp_path)) == given


async def test_a_finding_is_made_smaller() -> None:
    async def breaks(run: Run) -> bool:
        return b"2" in run.lines and 0 in run.mutants

    run = Run((b"0", b"1", b"2", b"3"), frozenset({0, 3}))
    assert await smaller(run, breaks) == Run((b"0", b"2"), frozenset({0}))
