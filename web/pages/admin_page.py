"""The page for admins: figures, costs by day, and who did what."""

from datetime import UTC, datetime
from html import escape

import api as c
from api.access import Actor
from web.pages import fragments
from web.pages.layout import page
from web.parts import WebParts

_DAYS = 30
_ENTRIES = 50


async def admin_page(parts: WebParts, actor: Actor) -> str:
    """Return the page. Raises `NotAllowed` for anybody but an admin."""
    since = parts.doors.now_ms() - _DAYS * 24 * 3_600_000
    figures = await parts.core.perform(actor, c.ReadStatistics(since_ms=since, group_by=c.GroupBy.DAY))
    audit = await parts.core.perform(actor, c.ReadAudit(limit=_ENTRIES))
    stop = (
        '<button type="button" data-all="stop-all" data-sure="End every process and its session?">'
        "End everything</button>"
    )
    cards = (
        ("Now", _now(figures)),
        (f"The last {_DAYS} days", _days(figures)),
        ("Who did what", _audit(audit)),
        ("Emergency", stop),
    )
    body = "".join(f'<section class="card"><h2>{title}</h2>{inside}</section>' for title, inside in cards)
    return page(parts.options, "The bridge", f"<h1>The bridge</h1>{body}", reader=actor)


def _now(figures: c.Statistics) -> str:
    facts = (
        ("Claude processes", f"{figures.live_processes} of {figures.max_processes}"),
        ("Waiting for a place", str(figures.waiting)),
        ("Open asks", str(figures.open_asks)),
        ("Memory", f"{figures.memory_bytes / 2**20:.0f} MB"),
        *((state.capitalize(), str(count)) for state, count in sorted(figures.by_lifecycle.items())),
    )
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return f'<dl class="facts">{listed}</dl>'


def _days(figures: c.Statistics) -> str:
    """Return costs by day as a table with a bar a day, which is as long as its share of the dearest day."""
    if not figures.groups:
        return '<p class="dim">Nothing has happened yet.</p>'
    most = max(row.totals.cost_usd for row in figures.groups) or 1.0
    rows = "".join(_day(row, most) for row in figures.groups)
    head = '<tr><th>Day</th><th class="right">Turns</th><th class="right">Cost</th><td></td></tr>'
    return f'<table class="days"><thead>{head}</thead><tbody>{rows}</tbody></table>'


def _day(row: c.UsageRow, most: float) -> str:
    share = round(row.totals.cost_usd / most * 1000)
    return (
        f'<tr><th scope="row">{escape(row.group)}</th><td class="right">{row.totals.turns}</td>'
        f'<td class="right">${row.totals.cost_usd:.2f}</td><td class="bar">'
        f'<progress max="1000" value="{share}" aria-label="Share of the dearest day"></progress></td></tr>'
    )


def _audit(audit: c.AuditPage) -> str:
    return f"<ul>{''.join(_entry(each) for each in audit.entries)}</ul>"


def _entry(entry: c.AuditEntry) -> str:
    refused = "" if entry.allowed else '<b class="warn">refused</b> '
    act = fragments.text_of(entry.action.replace("_", " "))
    who = fragments.text_of(f"{entry.actor} · {entry.face}")
    return f'<li><p>{refused}{act} <span class="dim">· {who} · {_moment(entry.at_ms)}</span></p></li>'


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
