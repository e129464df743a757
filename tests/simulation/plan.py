"""The plan of a seed: the machine, the acts of people, the faults. Times are seconds from the start."""

import random
from dataclasses import dataclass

from tests.simulation.claude import WORDS

Window = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Action:
    """Somebody does something; `number` is what choices are made with."""

    at_s: float
    kind: str
    person: int
    number: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Death:
    """How a life of the bot ends, and for how long there is none. `after` counts effects (see `life.py`)."""

    after: int
    how: str
    away_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """One scenario. Rates are per call; windows are when the trouble lasts."""

    span_s: float
    actions: tuple[Action, ...]
    deaths: tuple[Death, ...]
    accidents: tuple[Action, ...]
    places: int
    idle_s: float
    slowness: float
    torn_lines: float
    lost_before: float
    lost_after: float
    storms: tuple[Window, ...]
    database_locked: tuple[Window, ...]
    disk_full: tuple[Window, ...]
    gateway_away: tuple[Window, ...]


_KINDS = {
    "prompt": 12,
    "stop": 3,
    "answer": 5,
    "regenerate": 2,
    "continue": 1,
    "cancel": 2,
    "now": 2,
    "edit": 2,
    "delete": 1,
    "clear": 1,
    "park": 1,
    "archive": 1,
}


def plan_of(seed: int) -> Plan:
    """The scenario of a seed."""
    chance = random.Random(f"plan {seed}")
    span_s = chance.uniform(10, 60)
    sessions = chance.choice((1, 1, 2, 3))
    actions = [Action(chance.uniform(0, 8), "mention", n % 2, n, _prompt(chance, n)) for n in range(sessions)]
    kinds = chance.choices(list(_KINDS), list(_KINDS.values()), k=chance.randrange(1, 10))
    for n, kind in enumerate(kinds, start=sessions):
        text = _prompt(chance, n) if kind in ("prompt", "edit") else ""
        actions.append(
            Action(chance.uniform(2, span_s), kind, chance.randrange(2), chance.randrange(1 << 16), text)
        )
    rough = chance.random() < 0.4
    return Plan(
        span_s=span_s,
        actions=tuple(sorted(actions, key=lambda each: each.at_s)),
        deaths=tuple(_death(chance) for _ in range(chance.choice((0, 1, 1, 2, 3, 4)))),
        accidents=tuple(_accident(chance, span_s) for _ in range(chance.choice((0, 0, 1, 2)))),
        places=chance.choice((1, 2, 10)),
        idle_s=chance.choice((8.0, 60.0, 600.0)),
        slowness=chance.choice((0.1, 0.5, 1.0, 3.0)),
        torn_lines=chance.choice((0.0, 0.01, 0.1)),
        lost_before=chance.choice((0.01, 0.1)) if rough else 0.0,
        lost_after=chance.choice((0.01, 0.1, 0.2)) if rough else 0.0,
        storms=_windows(chance, span_s, 0.15),
        database_locked=_windows(chance, span_s, 0.1),
        disk_full=_windows(chance, span_s, 0.3),
        gateway_away=_windows(chance, span_s, 0.2),
    )


def _prompt(chance: random.Random, number: int) -> str:
    return f"{chance.choice(WORDS)} number {number}"


def _death(chance: random.Random) -> Death:
    how = chance.choices(("kill", "stop", "reboot", "wipe"), (10, 2, 1, 1))[0]
    away_s = chance.choices((0.1, 3.0, 30.0, 400.0), (4, 4, 2, 1))[0]
    return Death(int(300 ** chance.random()) + chance.randrange(3), how, away_s * chance.uniform(0.5, 1.5))


def _accident(chance: random.Random, span_s: float) -> Action:
    kind = chance.choice(("kill cli", "kill cli", "kill follower"))
    return Action(chance.uniform(2, span_s), kind, 0, chance.randrange(1 << 16))


def _windows(chance: random.Random, span_s: float, likely: float) -> tuple[Window, ...]:
    if chance.random() > likely:
        return ()
    start = chance.uniform(0, span_s)
    return ((start, start + chance.choice((0.5, 5.0, 20.0))),)
