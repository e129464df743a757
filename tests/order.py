"""The order of the tests where several workers run them: each worker begins with its share of the slow ones.

By default each worker starts with a run of neighbours, so that one gets all of `chaos`; and a slow test that a
worker begins last keeps the others waiting. Idle workers take tests from the end of another's list: there the
quick ones stand.
"""

import pytest

_SLOW = (
    "tests/e2e/",
    "tests/chaos/",
    "tests/sandbox/test_life.py",
    "tests/sessions/test_gaps.py",
    "tests/web/test_kill.py",
    "tests/web/test_browser.py",
    "tests/bench/",
    "tests/workflows/",
    "tests/scripts/",
    "tests/simulation/",
    "tests/contracts/",
    "tests/sessions/test_sequences.py",
    "tests/sessions/test_whole_transcripts.py",
    "tests/sessions/test_costs.py",
    "tests/sessions/claude/test_real_cli.py",
    "tests/sandbox/",
    "tests/bot/test_view_figures.py",
    "tests/bridge/demo/test_real_cli.py",
    "tests/corpus/",
)
"""Where most tests take more than a second, slowest first."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests in order. Workers do this alike: they must agree on the list."""
    workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    if workers > 1:
        items[:] = dealt(items, workers)


def dealt(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Deal the slow tests to the workers one by one, and fill each hand up with neighbours of the others."""
    ranks = {item: _rank(item) for item in items}
    slow = sorted((item for item in items if ranks[item] < len(_SLOW)), key=ranks.__getitem__)
    quick = [item for item in items if ranks[item] == len(_SLOW)]
    ordered: list[pytest.Item] = []
    for number in range(workers):
        # As pytest-xdist cuts the list: what is left, by the workers that are left.
        size = (len(items) - len(ordered)) // (workers - number)
        hand = slow[number::workers]
        filling = max(0, size - len(hand))
        ordered += [*hand, *quick[:filling]]
        del quick[:filling]
    return ordered


def _rank(item: pytest.Item) -> int:
    return next((rank for rank, place in enumerate(_SLOW) if item.nodeid.startswith(place)), len(_SLOW))
