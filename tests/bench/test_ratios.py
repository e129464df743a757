"""The gate's part of the figures: every ratio meets its goal; absolute figures are only shown."""

import pytest

from tests.bench.__main__ import PARTS, measure
from tests.bench.figures import Figure, table

# What counts something, or is a difference of two measures of one run, holds on any machine.
ALSO_ASSERTED = ("tmux processes", "memory")


@pytest.mark.bench
@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", PARTS)
async def test_ratios_meet_their_goals(part: str) -> None:
    figures = await measure([part], short=True)
    print(f"\n{table(figures)}")
    asserted = [each for each in figures if each.floor or each.name.startswith(ALSO_ASSERTED)]
    missed = [each for each in asserted if not each.met]
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
        (Figure("shown only", 9, "ms", 2, "floor"), True),
    ],
)
def test_a_bound_is_about_the_ratio_where_there_is_one(figure: Figure, met: bool) -> None:
    assert figure.met is met
    assert figure.cells()[-1] == ("yes" if met else "NO")
