"""Translate the CLI's reports on usage limits into the session's events. Pure."""

from collections.abc import Iterator
from typing import assert_never

from sessions import events as e
from sessions.claude.lines import RateLimit
from sessions.model import Activity, Blocker
from sessions.state import Snapshot
from sessions.topics import Topic
from sessions.troubles import Limit, LimitState
from sessions.usage_limits import limit_of, shares_of


def rate_limit_events(snapshot: Snapshot, line: RateLimit) -> Iterator[e.Event]:
    """Yield what a report changes: the known shares, a notice, or a block."""
    shares = shares_of(line)
    if shares and shares != snapshot.limit_shares:
        yield e.LimitSharesTold(shares)
    limit = limit_of(line)
    match limit.state if limit is not None else None:
        case LimitState.REACHED:
            yield from limit_reached(snapshot, limit)
        case LimitState.EXTRA_USAGE:
            # Every request reports it, but people get one notice per window.
            if limit is not None and limit.until_ms != snapshot.extra_usage_until_ms:
                yield _notice(Topic.EXTRA_USAGE, limit)
        case LimitState.NEAR:
            yield _notice(Topic.USAGE_WARNING, limit)
        case LimitState.OPEN | None:
            pass
        case _ as never:
            assert_never(never)


def limit_reached(snapshot: Snapshot, limit: Limit | None) -> Iterator[e.Event]:
    """Yield the block by a limit that has just refused a request, and its notice."""
    cause = "a usage limit is reached"
    yield e.ActivityChanged(snapshot.activity, Activity.BLOCKED, cause, Blocker.USAGE_LIMIT, limit=limit)
    yield _notice(Topic.USAGE_LIMIT, limit)


def _notice(topic: Topic, limit: Limit | None) -> e.Noticed:
    return e.Noticed(topic, until_ms=limit.until_ms if limit is not None else None, limit=limit)
