"""The mark behind a sum says how much of it is no bill."""

import pytest

from api.prices import price_mark


@pytest.mark.parametrize(
    ("cost", "listed", "mark"),
    [
        (0.0, 0.0, ""),
        (1.5, 0.0, ""),
        (1.5, 1.5, " (list price)"),
        (0.1 + 0.2, 0.3, " (list price)"),
        (0.0002, 0.0001, " ($0.0001 of it list price)"),
        (2000.0, 1234.5, " ($1,234.5000 of it list price)"),
    ],
)
def test_the_part_that_nobody_is_billed_is_marked(cost: float, listed: float, mark: str) -> None:
    assert price_mark(cost, listed) == mark
