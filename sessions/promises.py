"""Tell people what happens to Claude's schedules after the end of its process."""

from collections.abc import Sequence

from sessions.events import Noticed
from sessions.model import Schedule
from sessions.topics import Topic

_MOST_NAMED = 5
_MOST_CHARACTERS = 80


def notices_about_promises(promised: Sequence[Schedule]) -> list[Noticed]:
    """Return notices that say which schedules are lost with the process, and which wait for the next one."""
    lost = [each for each in promised if not each.durable]
    kept = [each for each in promised if each.durable]
    notices = []
    if lost:
        text = f"Claude had planned this. Without its process it will not happen: {_named(lost)}."
        notices.append(Noticed(Topic.SCHEDULES_LOST, text))
    if kept:
        text = f"Claude has planned this. It waits until a prompt wakes Claude: {_named(kept)}."
        notices.append(Noticed(Topic.SCHEDULES_WAIT, text))
    return notices


def _named(schedules: Sequence[Schedule]) -> str:
    named = "; ".join(_words(each) for each in schedules[:_MOST_NAMED])
    left = len(schedules) - _MOST_NAMED
    return f"{named}; and {left} more" if left > 0 else named


def _words(schedule: Schedule) -> str:
    prompt = " ".join(schedule.prompt.split())
    cut = prompt if len(prompt) <= _MOST_CHARACTERS else f"{prompt[:_MOST_CHARACTERS]}…"
    return f"“{cut}” ({schedule.rhythm})" if schedule.rhythm else f"“{cut}”"
