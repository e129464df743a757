"""Figures, and their table.

A ratio compares ours with a floor that is measured in the same run, in turns, so that any machine can judge;
absolute figures are goals of the table only.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Also a ratio moves with what else the machine does: on an idle one, a floor that wakes at once costs less.
# What misses its goal by a factor of two is no accident.
SLACK = 2.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `ratio` is `value` by `floor` unless a goal has another sense; None: no ratio.

    `at_most` and `at_least` bound the ratio, or, where there is none, the value itself.
    """

    name: str
    value: float
    unit: str
    floor: float | None = None
    floor_name: str = ""
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def judged(self) -> float:
        """The number that the bounds apply to: the ratio, or the value where there is no floor."""
        return self.value / self.floor if self.floor else self.value

    @property
    def met(self) -> bool:
        return self.is_met()

    def is_met(self, slack: float = 1.0) -> bool:
        """Whether the goal is met, or missed by no more than the factor `slack`."""
        low = self.at_least is None or self.judged * slack >= self.at_least
        return low and (self.at_most is None or self.judged <= self.at_most * slack)

    def cells(self) -> tuple[str, ...]:
        """The figure as words: name, ours, floor, ratio, goal, met."""
        floor = "" if self.floor is None else f"{_short(self.floor)} {self.unit} ({self.floor_name})"
        ratio = "" if self.floor is None else f"{_short(self.judged)}"
        name = f"{self.name} ({self.note})" if self.note else self.name
        return (
            name,
            f"{_short(self.value)} {self.unit}",
            floor,
            ratio,
            self._goal(),
            "" if self.at_most is self.at_least is None else "yes" if self.met else "NO",
        )

    def _goal(self) -> str:
        what = "ratio " if self.floor is not None else ""
        unit = "" if self.floor is not None else f" {self.unit}"
        if self.at_most is not None:
            return f"{what}≤ {self.at_most:g}{unit}"
        return f"{what}≥ {self.at_least:g}{unit}" if self.at_least is not None else ""


HEAD = ("figure", "ours", "floor", "ratio", "goal", "met")


def table(figures: Iterable[Figure]) -> str:
    """All figures as one Markdown table."""
    rows = [HEAD, *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in rows
    ]
    lines.insert(1, f"| {' | '.join('-' * width for width in widths)} |")
    return "\n".join(lines)


def verdict(figures: Sequence[Figure]) -> tuple[str, bool]:
    """Sum up a run in sentences, and tell whether it is good: only ratios are asserted."""
    missed = [figure for figure in figures if not figure.met]
    wrong = [figure for figure in missed if figure.floor is not None and not figure.is_met(SLACK)]
    sentences = []
    for figure in missed:
        _, value, _, ratio, goal, _ = figure.cells()
        kind = "FAILED, by more than a factor of two" if figure in wrong else "Missed"
        sentences.append(
            f"{kind}: {figure.name}: {f'ratio {ratio}' if ratio else value}, and the goal is {goal}."
        )
    met = len(figures) - len(missed)
    sentences.append(f"{met} of {len(figures)} figures meet their goal or have none. Only ratios are asserted.")
    return "\n".join(sentences), not wrong


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of `values` lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


median = statistics.median


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
