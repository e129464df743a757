"""The run of a work-flow as every face shows it in one card.

Plain values: `workflows` decides what they say.
"""

from sessions.ids import Value


class ShownCheck(Value, frozen=True):
    """A check of the last round, and whether it passed."""

    name: str
    passed: bool


class RunShown(Value, frozen=True):
    """A run at a glance. `waits_for` is empty while it works: plan, or the reason of a pause.

    `low_s` and `high_s` are the expected time left, None if nothing tells yet; `basis` says from what.
    `revision` names the plan that is shown. `detail` is a sentence.
    """

    id: str
    title: str
    status: str
    phase: str
    waits_for: str = ""
    bound: str = ""
    detail: str = ""
    tasks: int = 0
    tasks_over: int = 0
    current: str = ""
    round: int = 1
    max_rounds: int = 1
    checks: tuple[ShownCheck, ...] = ()
    cost_usd: float = 0.0
    low_s: int | None = None
    high_s: int | None = None
    basis: str = ""
    branch: str = ""
    revision: int = 0
    merged_into: str = ""
