"""The order of the tests where several workers run them: each worker begins with its share of the slow ones.

By default each worker starts with a run of neighbours, so that one gets all of `chaos`; and a slow test that a
worker begins last keeps the others waiting. Idle workers take tests from the end of another's list: there the
quick ones stand. The slow ones are mixed: some compute and some wait, and beside each other they leave no core
idle.
"""

from zlib import crc32

import pytest

_SLOW = (
    "tests/bench/",
    "tests/bot/test_view_figures.py",
    "tests/chaos/",
    "tests/contracts/",
    "tests/corpus/",
    "tests/e2e/",
    "tests/sandbox/",
    "tests/scripts/",
    "tests/sessions/test_sequences.py",
    "tests/simulation/",
    "tests/web/test_browser.py",
    "tests/web/test_kill.py",
    "tests/workflows/",
)
_QUICK = ("tests/chaos/test_check.py",)
"""Among them, but quick. What they share is made once as long as neighbours stay together."""
_SHARED = "browser"
"""The mark of tests whose browser starts once in each worker."""
_SHARING = 2
"""So many workers get them all."""
_SLOW_MARKS = ("real_cli", _SHARED)
"""Places, those excepted, and marks of tests that take a second or more."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests in order. Workers do this alike: they must agree on the list."""
    workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    if workers > 1:
        items[:] = dealt(items, workers)


def dealt(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Deal the slow tests to the workers one by one, and fill each hand up with neighbours of the others."""
    slow, quick = list[pytest.Item](), list[pytest.Item]()
    for item in items:
        (slow if _is_slow(item) else quick).append(item)
    # A sum of the name: as good as chance, and the same in every worker and every run.
    slow.sort(key=lambda item: crc32(item.nodeid.encode()))
    ordered: list[pytest.Item] = []
    for number, hand in enumerate(_hands(slow, workers)):
        # As pytest-xdist cuts the list: what is left, by the workers that are left.
        size = (len(items) - len(ordered)) // (workers - number)
        filling = max(0, size - len(hand))
        ordered += [*hand, *quick[:filling]]
        del quick[:filling]
    return ordered


def _hands(slow: list[pytest.Item], workers: int) -> list[list[pytest.Item]]:
    """Deal one by one, each to the smallest hand; but what shares a browser goes to the first ones only."""
    hands = [list[pytest.Item]() for _ in range(workers)]
    places = {id(item): place for place, item in enumerate(slow)}
    shared = [item for item in slow if item.get_closest_marker(_SHARED)]
    for number, item in enumerate(shared):
        hands[number % min(_SHARING, workers)].append(item)
    for item in slow:
        if not item.get_closest_marker(_SHARED):
            min(hands, key=len).append(item)
    for hand in hands:
        hand.sort(key=lambda item: places[id(item)])
    return hands


def _is_slow(item: pytest.Item) -> bool:
    if item.nodeid.startswith(_QUICK):
        return False
    return item.nodeid.startswith(_SLOW) or any(item.get_closest_marker(mark) for mark in _SLOW_MARKS)
