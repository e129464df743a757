"""A wrong setting as a person reads it: name, trouble, what to write, where to read on."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong setting: the variable's name, the fault (a phrase that follows the name), and the remedy."""

    name: str
    trouble: str
    remedy: str
    line: int | None = None

    @property
    def sentence(self) -> str:
        """Everything as one sentence for a person."""
        where = f" (.env.example, line {self.line})" if self.line else ""
        return f"{self.name} {self.trouble}. {self.remedy}.{where}"


class SettingsWrong(Exception):
    """The settings cannot be used; the message lists every fault, one line each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        lines = "\n".join(f"  - {problem.sentence}" for problem in problems)
        super().__init__(f"These settings are wrong; correct them in .env or the environment:\n{lines}")
        self.problems = tuple(problems)
