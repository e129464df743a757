"""The gate's part of the figures: every ratio meets its goal; absolute figures are only shown."""

import pytest

from tests.bench.__main__ import PARTS, measure
from tests.bench.figures import SLACK, Figure, table, verdict

# What counts something, or is a difference of two measures of one run, holds on any machine.
ALSO_ASSERTED = ("tmux processes", "memory", "objects left", "tasks left", "descriptors left")
# No ratios, or none that holds while other tests write to the same disk; `tests/sandbox/test_costs.py` asserts
# the ratios of a sandbox with fewer runs of the real CLI.
SHOWN_ONLY = {"web browser", "view", "memory", "sandbox", "mcp"}


@pytest.mark.bench
@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", [part for part in PARTS if part not in SHOWN_ONLY])
async def test_ratios_meet_their_goals(part: str) -> None:
    figures = await measure(part, PARTS[part], short=True)
    print(f"\n{table(figures)}")
    asserted = [each for each in figures if each.floor or each.name.startswith(ALSO_ASSERTED)]
    assert asserted, "nothing of this part can fail: it belongs to SHOWN_ONLY"
    missed = [each for each in asserted if not each.is_met(SLACK)]
    assert not missed, table(missed)


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (Figure("value", 4, "ms", at_most=5), True),
        (Figure("value", 6, "ms", at_most=5), False),
        (Figure("ratio", 4, "ms", 2, "floor", at_most=1.9), False),
        (Figure("ratio", 4, "ms", 2, "floor", at_most=2), True),
        (Figure("ratio", 1, "rows/s", 2, "floor", at_least=0.5), True),
        (Figure("ratio", 0.9, "rows/s", 2, "floor", at_least=0.5), False),
    ],
)
def test_a_bound_is_about_the_ratio_where_there_is_one(figure: Figure, met: bool) -> None:
    assert figure.met is met
    assert figure.cells()[-1] == ("yes" if met else "NO")


def test_a_figure_without_a_goal_is_only_shown() -> None:
    figure = Figure("shown only", 9, "ms", 2, "floor")
    assert figure.met
    assert figure.cells()[-1] == ""


def test_slack_lets_a_goal_be_missed_by_a_factor() -> None:
    assert Figure("value", 7, "ms", at_most=5).is_met(1.5)
    assert not Figure("value", 8, "ms", at_most=5).is_met(1.5)
    assert Figure("rows", 0.35, "rows/s", at_least=0.5).is_met(1.5)
    assert not Figure("objects left", 1, "", at_most=0).is_met(1.5)


@pytest.mark.parametrize(
    ("figure", "said", "good"),
    [
        (Figure("goal", 6, "ms", at_most=5), "Missed: goal: 6 ms, and the goal is ≤ 5 ms.", True),
        (Figure("ratio", 4, "ms", 2, "floor", at_most=1.5), "Missed: ratio: ratio 2, and", True),
        (
            Figure("ratio", 8, "ms", 2, "floor", at_most=1.5),
            "FAILED, by more than a factor of two: ratio",
            False,
        ),
        (Figure("ratio", 3, "ms", 2, "floor", at_most=1.5), "1 of 1 figures meet", True),
    ],
)
def test_a_run_says_what_missed_and_fails_only_for_ratios(figure: Figure, said: str, good: bool) -> None:
    sentences, is_good = verdict([figure])
    assert said in sentences
    assert is_good is good
