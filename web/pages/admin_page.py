"""The page for admins: figures, costs by day, and who did what."""

from datetime import UTC, datetime, timedelta
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
    by_user = c.ReadStatistics(since_ms=since, group_by=c.GroupBy.USER)
    people = await parts.core.perform(actor, by_user)
    audit = await parts.core.perform(actor, c.ReadAudit(limit=_ENTRIES))
    days = fragments.fold("The numbers", _days(figures))
    stop = (
        '<button type="button" data-all="stop-all" data-sure="End every process and its session?">'
        "End everything</button>"
    )
    cards = (
        ("Now", _now(figures)),
        (f"Costs of the last {_DAYS} days", _plot(figures, parts.doors.now_ms()) + days),
        (f"People, the last {_DAYS} days", _people(people)),
        ("Limits of each person", _limits(figures)),
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


def _limits(figures: c.Statistics) -> str:
    turns, dollars = figures.user_turns_per_hour, figures.user_dollars_per_day
    facts = (
        ("Claude processes", str(figures.user_processes)),
        ("Prompts an hour", "any number" if turns is None else str(turns)),
        ("Dollars a day", "any amount" if dollars is None else f"${dollars:.2f}"),
    )
    listed = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return f'<dl class="facts">{listed}</dl><p class="dim">The settings in .env change them.</p>'


def _people(figures: c.Statistics) -> str:
    rows = "".join(
        f'<tr><th scope="row">{fragments.text_of(row.group or "Background work")}</th>'
        f'<td class="right">{row.totals.turns}</td><td class="right">${row.totals.cost_usd:.2f}</td></tr>'
        # The core sorts by id, which tells people nothing.
        for row in sorted(figures.groups, key=lambda row: -row.totals.cost_usd)
    )
    head = '<tr><th>Person</th><th class="right">Turns</th><th class="right">Cost</th></tr>'
    return f'<table class="days"><thead>{head}</thead><tbody>{rows}</tbody></table>'


def _plot(figures: c.Statistics, now_ms: int) -> str:
    """Return costs by day as columns, days without any included; the table below has the same numbers."""
    costs = {row.group: row.totals.cost_usd for row in figures.groups}
    # In UTC, as the core groups the days.
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    # Days without costs have no row, and a plot without them would look busier than it was.
    days = [today - timedelta(days=back) for back in reversed(range(_DAYS))]
    most = max(costs.values(), default=0.0) or 1.0
    columns = []
    for number, day in enumerate(days):
        cost = costs.get(day.isoformat(), 0.0)
        height = round(100 * cost / most, 1)
        columns.append(
            f'<rect x="{number * 20 + 2}" y="{100 - height}" width="16" height="{height}">'
            f"<title>{day:%-d %B}: ${cost:.2f}</title></rect>"
        )
    words = f"Costs by day, at most ${most:.2f}; the numbers are below."
    return (
        f'<figure class="plot"><figcaption class="dim">${most:.2f} a day at the top</figcaption>'
        f'<svg viewBox="0 0 {_DAYS * 20} 100" preserveAspectRatio="none" role="img" aria-label="{words}">'
        f'{"".join(columns)}</svg><p class="dim ends"><span>{days[0]:%-d %b}</span>'
        f"<span>{days[-1]:%-d %b}</span></p></figure>"
    )


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
