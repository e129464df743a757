"""The page on where a turn's time went: a bar for each span, below one another."""

import api as c
from api.access import Actor
from api.prices import price_mark
from api.words.timing import span_words
from web.pages import fragments
from web.pages.work_frame import place_of, work_page
from web.parts import WebParts

_SHORTEST_MS = 20
"""Shorter spans are left out, unless a person or a tool took part."""


async def timing_page(parts: WebParts, actor: Actor, session_id: str, turn_id: str) -> str:
    """Return the page. Raises the errors of `GetSession` and `ReadTiming`."""
    info = await parts.core.perform(actor, c.GetSession(session_id=session_id))
    timing = await parts.core.perform(actor, c.ReadTiming(session_id=session_id, turn_id=turn_id))
    view = await parts.core.perform(
        actor, c.ReadTurn(session_id=session_id, turn_id=turn_id, with_blocks=False)
    )
    number = view.turn.number
    place = f"{place_of(parts.options, session_id)}?at={number}#t-{fragments.text_of(turn_id)}"
    facts = [
        f"{fragments.duration(timing.total_ms)}{'' if timing.has_ended else ' until now'}",
        f"{timing.output_tokens:,} tokens written" if timing.output_tokens else "",
        f"${timing.cost_usd:.2f}{price_mark(timing.cost_usd, timing.list_price_usd)}"
        if timing.cost_usd
        else "",
    ]
    said = " · ".join(fragments.text_of(fact) for fact in facts if fact)
    body = (
        f'<p><a class="back" href="{place}">Prompt {number}</a> · {said}</p>{_people(timing)}'
        f'<table class="spans"><caption class="hidden">Spans of the turn</caption>'
        f"<thead><tr><th>What</th><th>Time</th></tr></thead><tbody>{_rows(timing)}</tbody></table>"
        '<p class="dim">A bar begins and ends as the span did within the whole time.</p>'
    )
    return work_page(parts, actor, info, "", "Where the time went", body)


def _people(timing: c.TurnTiming) -> str:
    waited = [span.to_ms - span.from_ms for span in timing.spans if span.kind is c.SpanKind.PERSON]
    if not waited:
        return ""
    # Asks that are open at once are counted one by one, so their sum may be more than the whole.
    share = round(100 * sum(waited) / timing.total_ms) if timing.total_ms else 0
    return (
        f"<p>Claude waited {fragments.duration(sum(waited))} for people: {min(share, 100)} % of the time.</p>"
    )


def _rows(timing: c.TurnTiming) -> str:
    always = (c.SpanKind.TOOL, c.SpanKind.PERSON)
    shown = [span for span in timing.spans if span.kind in always or span.to_ms - span.from_ms >= _SHORTEST_MS]
    return "".join(_row(span, max(timing.total_ms, 1)) for span in shown)


def _row(span: c.Span, total_ms: int) -> str:
    begin = round(1000 * span.from_ms / total_ms)
    # At least four thousandths of the width: a shorter bar could not be seen.
    width = max(4, round(1000 * (span.to_ms - span.from_ms) / total_ms))
    bar = (
        f'<svg class="span {span.kind.value}" viewBox="0 0 1000 10" preserveAspectRatio="none" '
        'aria-hidden="true">'
        '<rect class="track" x="0" y="0" width="1000" height="10"></rect>'
        f'<rect x="{min(begin, 996)}" y="0" width="{width}" height="10"></rect></svg>'
    )
    took = fragments.duration(span.to_ms - span.from_ms)
    return (
        f'<tr><th scope="row">{fragments.text_of(span_words(span))}{bar}</th><td class="right">{took}</td></tr>'
    )
