"""No regular expression of the product takes more than linear time, whatever text it is given.

Claude, tools, people and files write the texts, and a search that takes a second stops the whole bot for it.
"""

import re
import signal
import sys
import time
import tomllib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from tests.patterns.collected import Found, files_with_patterns, patterns_in
from tests.patterns.hostile import hostile_texts

ROOT = Path(__file__).parents[2]
SIZE = 20_000
GROWTH = 2.5
_SMALL = (50, 800)
_PATIENCE_S = 2.0
_NOISE_S = 0.02  # growth by the square takes more than 0.1 s for 20,000 characters


def packages() -> tuple[str, ...]:
    """Every package of the wheel, and the scripts beside it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return (*project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"], "scripts")


FILES = tuple(files_with_patterns(ROOT, packages()))


# By files: a test for each pattern would parse the whole product wherever tests are collected.
@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_a_pattern_takes_linear_time_on_its_worst_text(path: Path) -> None:
    for found in {found.pattern.pattern: found for found in patterns_in(ROOT, path)}.values():
        takes_linear_time(found)


def takes_linear_time(found: Found) -> None:
    with patience(found):
        worst = worst_text(found)
        took = time_of(found, worst, SIZE // 2), time_of(found, worst, SIZE)
        for _ in range(4):
            if took[1] < _NOISE_S or took[1] <= GROWTH * took[0]:
                return
            took = min(took[0], time_of(found, worst, SIZE // 2)), min(took[1], time_of(found, worst, SIZE))
    raise AssertionError(
        f"{found.where}: {took[0]:.3f} s, and {took[1]:.3f} s for twice the text: {text_of(found, worst, 60)!r}"
    )


@pytest.mark.parametrize(
    "pattern",
    [
        r"(`{3,}|~{3,})[ \t]*\S+[ \t]",
        r"(?P<run>`{3,}|~{3,})[ \t]*(?P<info>.*?)[ \t]*\Z",
        r" +(?=(?:\x1b\[[0-9;]*m| )*\n)",
        r"(/[^\s\"'`]*/plans/[^\s\"'`]+\.md)",
        r"(?:[\w-]+\.)+(?:com|net)\b",
        r"(?:a|a?)+b",
        r"\s+$",
        r"<a>.*?</a>",
    ],
)
def test_a_slow_pattern_is_found_to_be_slow(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "_PATIENCE_S", 0.2)
    with pytest.raises(AssertionError):
        takes_linear_time(Found("here", re.compile(pattern), anchored=False))


def test_the_patterns_of_the_product_are_found_and_none_is_imported_under_another_name() -> None:
    assert len(FILES) > 60
    assert sum(1 for path in FILES[:20] for _ in patterns_in(ROOT, path)) > 10
    for package in packages():
        for path in (ROOT / package).rglob("*.py"):
            assert not re.search(r"^\s*(from re import|import re as)", path.read_text(), re.MULTILINE), path


def worst_text(found: Found) -> int:
    """The number of the hostile text that takes longest; fails at once if a short one takes seconds."""
    slowest = (0.0, 0)
    for size in _SMALL:
        slowest = (0.0, 0)
        for number, text in enumerate(hostile_texts(found.pattern, size)):
            slowest = max(slowest, (applied(found, text), number))
    return slowest[1]


def text_of(found: Found, number: int, size: int) -> str:
    return next(text for at, text in enumerate(hostile_texts(found.pattern, size)) if at == number)


def time_of(found: Found, number: int, size: int) -> float:
    text = text_of(found, number, size)
    return min(applied(found, text) for _ in range(2))


def applied(found: Found, text: str) -> float:
    """How many seconds of CPU the pattern takes for `text`. Called inside of `patience`."""
    signal.setitimer(signal.ITIMER_PROF, _PATIENCE_S)
    begun = time.thread_time()
    if found.anchored:
        found.pattern.match(text)
        found.pattern.fullmatch(text)
    else:
        deque(found.pattern.finditer(text), 0)
    return time.thread_time() - begun


@contextmanager
def patience(found: Found) -> Iterator[None]:
    """Fail if one text takes too much CPU: `re` looks for signals while it searches."""

    def give_up(_signal: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"{found.where}: a text takes more than {_PATIENCE_S} s")

    before = signal.signal(signal.SIGPROF, give_up)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
