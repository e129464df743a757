"""The order of the tests for several workers keeps every test, and lets each worker begin with slow ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from tests.order import dealt
from tests.rewritten import rewrite_one


@dataclass(frozen=True)
class Named:
    nodeid: str
    marks: frozenset[str] = frozenset()

    def get_closest_marker(self, name: str) -> object:
        return name if name in self.marks else None


@pytest.mark.parametrize("workers", [2, 3, 4, 7])
@pytest.mark.parametrize(("slow", "quick"), [(0, 10), (5, 100), (40, 100), (90, 3)])
def test_every_test_is_dealt_once_and_each_hand_begins_with_slow_ones(
    workers: int, slow: int, quick: int
) -> None:
    items = [Named(f"tests/api/test_{n}.py::test") for n in range(quick)]
    items += [Named(f"tests/chaos/test_{n}.py::test") for n in range(slow)]
    ordered = dealt(cast("list[pytest.Item]", items), workers)
    assert sorted(each.nodeid for each in ordered) == sorted(each.nodeid for each in items)
    if quick >= 10:
        hands = cut(ordered, workers)
        shares = [sum("chaos" in each.nodeid for each in hand) for hand in hands]
        assert max(shares) - min(shares) <= 1
        assert all(
            "chaos" in each.nodeid for hand, share in zip(hands, shares, strict=True) for each in hand[:share]
        )


def test_what_runs_the_real_cli_is_slow_wherever_it_stands_and_kinds_of_slow_tests_are_mixed() -> None:
    items = [Named(f"tests/api/test_{n}.py::test") for n in range(40)]
    items += [Named(f"tests/sessions/test_{n}.py::test", frozenset({"real_cli"})) for n in range(20)]
    items += [Named(f"tests/chaos/test_{n}.py::test") for n in range(20)]
    for hand in cut(dealt(cast("list[pytest.Item]", items), 2), 2):
        assert not any("api" in each.nodeid for each in hand[:20])
        assert 3 < sum("chaos" in each.nodeid for each in hand[:10]) < 8


def test_what_shares_a_browser_is_dealt_to_two_workers_which_get_less_of_the_others() -> None:
    items = [Named(f"tests/chaos/test_{n}.py::test") for n in range(50)]
    items += [Named(f"tests/web/test_{n}.py::test", frozenset({"browser"})) for n in range(10)]
    hands = cut(dealt(cast("list[pytest.Item]", items), 6), 6)
    assert [sum("web" in each.nodeid for each in hand) for hand in hands] == [5, 5, 0, 0, 0, 0]
    assert {len(hand) for hand in hands} == {10}


def cut(ordered: Sequence[pytest.Item], workers: int) -> list[list[pytest.Item]]:
    """The list as pytest-xdist cuts it."""
    left = list(ordered)
    hands = []
    for number in range(workers):
        size = len(left) // (workers - number)
        hands.append(left[:size])
        del left[:size]
    return hands


def test_a_test_module_is_compiled_beforehand_once_and_again_when_it_has_changed(tmp_path: Path) -> None:
    module = tmp_path / "test_it.py"
    module.write_text("def test_it(): assert 1\n")
    assert rewrite_one(module)
    assert not rewrite_one(module)
    module.write_text("def test_it(): assert 2\n")
    assert rewrite_one(module)
