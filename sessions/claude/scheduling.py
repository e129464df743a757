"""Track Claude's schedules from its calls of CronCreate, CronDelete, CronList and ScheduleWakeup. Pure.

A schedule's prompt is in the tool's input and its time in the result, so the call is kept until its result.
Until then the schedule has no time. The CLI reports that a schedule fired, but not which one.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from sessions.claude.cron import next_run
from sessions.claude.lines import ScheduleFired, ToolResult, ToolUseBlock
from sessions.claude.wire import flag_of, int_of, maybe_float, objects_of, text_of
from sessions.model import Schedule

Schedules = tuple[Schedule, ...]

WAKEUP = "wakeup"
"""The id of a conversation's only wake-up: a new one replaces it."""

_CREATE, _DELETE, _LIST, _WAKEUP = "CronCreate", "CronDelete", "CronList", "ScheduleWakeup"
_NAMES = frozenset({_CREATE, _DELETE, _LIST, _WAKEUP})
_MINUTE_MS = 60_000


def after_calls(known: Schedules, calls: Iterable[ToolUseBlock]) -> Schedules:
    """Return `known` with Claude's new calls, still without a time."""
    asked = [_asked(each) for each in calls if each.name in _NAMES]
    return (*known, *asked)


def after_results(known: Schedules, results: Iterable[ToolResult], at_ms: int) -> Schedules:
    """Return `known` after the CLI's results of such calls."""
    for result in results:
        call = next((each for each in known if each.call == result.tool_use_id), None)
        if call is None:
            continue
        others = tuple(each for each in known if each is not call)
        # Without its structured form, a result names no time: such a schedule could never be shown as due.
        refused = result.is_error or result.detail is None
        known = others if refused else _answered(others, call, result.detail or {}, at_ms)
    return known


def after_firing(known: Schedules, fired: ScheduleFired, at_ms: int) -> Schedules:
    """Return `known` after a schedule fired: it is removed, or has its next time."""
    if fired.is_wakeup:
        return tuple(each for each in known if each.id != WAKEUP)
    due = [each for each in known if each.next_ms is not None and each.id != WAKEUP]
    if not due:
        return known
    # The CLI does not say which one fired, so take the one whose time comes first.
    first = min(due, key=lambda each: each.next_ms or 0)
    again = replace(first, next_ms=_next_ms(first, at_ms)) if first.recurring else None
    return tuple(each for each in (again if each is first else each for each in known) if each is not None)


def _asked(call: ToolUseBlock) -> Schedule:
    body = call.input
    prompt = text_of(body, "prompt") or text_of(body, "reason")
    # The input of `CronDelete` names the schedule to remove. The call itself is dropped with its result.
    named = text_of(body, "id") if call.name == _DELETE else WAKEUP if call.name == _WAKEUP else ""
    return Schedule(id=named, prompt=prompt, cron=text_of(body, "cron"), tool=call.name, call=call.tool_use_id)


def _answered(others: Schedules, call: Schedule, detail: Mapping[str, Any], at_ms: int) -> Schedules:
    match call.tool:
        case "CronCreate":
            return (*others, _created(call, detail, at_ms))
        case "CronDelete":
            return tuple(each for each in others if each.id != text_of(detail, "id"))
        case "CronList":
            return _listed(others, detail, at_ms)
        case _:
            rest = tuple(each for each in others if each.id != WAKEUP)
            next_ms = int_of(detail, "scheduledFor")
            if flag_of(detail, "stopped") or not next_ms:
                return rest
            return (*rest, replace(call, next_ms=next_ms, made_ms=at_ms, call=""))


def _created(call: Schedule, detail: Mapping[str, Any], at_ms: int) -> Schedule:
    return replace(
        call,
        id=text_of(detail, "id"),
        rhythm=text_of(detail, "humanSchedule"),
        next_ms=_time(detail),
        recurring=flag_of(detail, "recurring"),
        durable=flag_of(detail, "durable"),
        made_ms=at_ms,
        call="",
    )


def _listed(others: Schedules, detail: Mapping[str, Any], at_ms: int) -> Schedules:
    """Return all schedules, from the CLI's own list. Open calls and the wake-up are kept: it omits them."""
    known = {each.id: each.made_ms for each in others}
    kept = tuple(each for each in others if each.call or each.id == WAKEUP)
    jobs = (
        Schedule(
            id=text_of(job, "id"),
            prompt=text_of(job, "prompt"),
            cron=text_of(job, "cron"),
            rhythm=text_of(job, "humanSchedule"),
            next_ms=_time(job),
            recurring=flag_of(job, "recurring"),
            # The CLI writes only `false`, for a schedule that is in no file; it leaves `true` out.
            durable=job.get("durable") is not False,
            made_ms=known.get(text_of(job, "id"), at_ms),
            tool=_CREATE,
        )
        for job in objects_of(detail, "jobs")
    )
    return (*kept, *jobs)


def _time(body: Mapping[str, Any]) -> int | None:
    at_ms = maybe_float(body, "nextFireAt")
    return round(at_ms) if at_ms else None


def _next_ms(schedule: Schedule, at_ms: int) -> int | None:
    """Return the next time, with the same seconds: the CLI spreads schedules over the minute."""
    last_ms = max(schedule.next_ms or 0, at_ms)
    seconds_ms = (schedule.next_ms or 0) % _MINUTE_MS
    found = next_run(schedule.cron, datetime.fromtimestamp(last_ms / 1000))  # noqa: DTZ006 (the machine's own time)
    return round(found.timestamp() * 1000) + seconds_ms if found is not None else None
