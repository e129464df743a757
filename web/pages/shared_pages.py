"""Shared pages: the page for readers without a login, and the page on which its maker looks at it first."""

import re
import secrets
from datetime import UTC, datetime
from html import escape
from typing import assert_never

import api as c
from api.access import Actor
from api.words.shared_pages import taken_words
from web.pages import fragments
from web.pages.found_places import marked
from web.pages.layout import FILES, page
from web.pages.work_frame import act, place_of, work_page
from web.parts import WebOptions, WebParts
from web.rendering import Renderer

_CUT = re.compile(r"\[redacted\]|\[path\]|\[id\]")


async def reader_page(parts: WebParts, document: c.SharedDocument) -> str:
    """Return the page that a reader sees: no script, no link into the bridge."""
    return _bare_page(parts.options, document.title, await shared_body(parts.renderer, document))


def gone_page(options: WebOptions) -> str:
    """Return the page for an address that leads nowhere."""
    words = "It was taken back, or its time is over. Ask the person who sent you the address."
    return _bare_page(options, "Not here", f"<h1>This page is not here</h1><p>{words}</p>")


def _bare_page(options: WebOptions, title: str, body: str) -> str:
    # No script and no way into the bridge: readers are strangers.
    base = escape(options.base_path, quote=True)
    styles = "".join(
        f'<link rel="stylesheet" href="{base}{FILES.path(name)}">' for name in ("app.css", "code.css")
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="robots" content="noindex, nofollow">'
        f"<title>{fragments.text_of(title)}</title>{styles}</head>"
        f'<body class="shared"><main>{body}</main></body></html>\n'
    )


async def shared_body(renderer: Renderer, document: c.SharedDocument) -> str:
    """Return the content of a shared page; its preview shows the same."""
    turns = [await _turn(renderer, each) for each in document.turns]
    earlier = f" · {document.earlier} earlier turns are left out" if document.earlier else ""
    facts = f"A conversation with Claude as of {_moment(document.made_ms)}{earlier}"
    html = (
        f'<h1>{fragments.text_of(document.title)}</h1><p class="dim">{facts}</p>'
        f'<div id="turns">{"".join(turns)}</div>'
    )
    # The maker and readers see the same marks: a cut must not look like words of the conversation.
    return marked(html, _CUT, '<mark class="cut">')


async def _turn(renderer: Renderer, turn: c.SharedTurn) -> str:
    parts = [await _part(renderer, each) for each in turn.parts]
    prompt = f'<div class="prompt">{fragments.text_of(turn.prompt)}</div>' if turn.prompt else ""
    files = "".join(f'<p class="file">📎 {fragments.text_of(name)}</p>' for name in turn.files)
    return (
        f'<article class="turn"><h2 class="by">{fragments.text_of(turn.author)}</h2>{prompt}{files}'
        f'<div class="blocks">{"".join(parts)}</div></article>'
    )


async def _part(renderer: Renderer, part: c.SharedPart) -> str:
    code = f'<pre class="code">{fragments.text_of(part.text)}</pre>'
    match part.kind:
        case c.PartKind.TEXT:
            inside = await renderer.markdown(part.text)
        case c.PartKind.THINKING:
            inside = fragments.fold("Thinking", await renderer.markdown(part.text))
        case c.PartKind.TOOL:
            inside = fragments.fold(part.label, code)
        case c.PartKind.RESULT:
            inside = fragments.fold("Failed" if part.failed else "Result", code) if part.text else ""
        case c.PartKind.NOTE:
            inside = f"<p>{fragments.text_of(part.text)}</p>"
        case _:
            assert_never(part.kind)
    return f'<div class="block {part.kind.value}{" failed" if part.failed else ""}">{inside}</div>'


# --- for the maker ----------------------------------------------------------------------------------------


async def sharing_page(
    parts: WebParts, actor: Actor, session_id: str, options: c.ShareOptions, draft: c.SharedPageDraft | None
) -> str:
    """Return the page on which a session is shared: its pages, the choices, and the preview of a draft.

    Raises the errors of `ListSharedPages`.
    """
    info = await parts.core.perform(actor, c.GetSession(session_id=session_id))
    pages = (await parts.core.perform(actor, c.ListSharedPages(session_id=session_id))).pages
    base = place_of(parts.options, session_id)
    listed = "".join(_page(each) for each in pages)
    pages_card = f'<section class="card"><h2>Pages</h2><ul>{listed}</ul></section>' if listed else ""
    body = (
        "<p>A page of this conversation as it is now, for everybody who gets its address. Readers need no "
        "login and can only read. Later turns are not in it. Secrets, paths of this machine and ids are taken "
        "out.</p>"
        f"{pages_card}{_choices(base, options)}"
        f"{await _preview(parts, base, draft) if draft is not None else ''}"
    )
    return work_page(parts, actor, info, "/share", "Share a page", body)


def _page(each: c.SharedPage) -> str:
    times = "once" if each.opened == 1 else f"{each.opened} times"
    opened = (
        f"opened {times}, last {fragments.stamp(each.opened_ms)}"
        if each.opened_ms is not None
        else "never opened"
    )
    turns = f"{each.turns} turn{'' if each.turns == 1 else 's'}"
    return (
        f"<li><p>{turns} as of {fragments.stamp(each.made_ms)}"
        f'<span class="dim"> · until {fragments.stamp(each.expires_ms)} · {opened}</span></p>'
        f"{act('Take back', f'DELETE pages/{each.id}', then='.')}</li>"
    )


def _choices(base: str, options: c.ShareOptions) -> str:
    boxes = (
        ("tools", "Tools and their results", options.tools),
        ("thinking", "Claude's thinking", options.thinking),
        ("file_names", "Names of attached files", options.file_names),
    )
    checks = "".join(
        f'<label><input type="checkbox" name="{name}"{" checked" if is_set else ""}> {label}</label>'
        for name, label, is_set in boxes
    )
    words = fragments.text_of("\n".join(options.take_out))
    until = "" if options.until_turn is None else str(options.until_turn)
    return (
        f'<form class="card by-form" method="post" action="{base}/share"><h2>What is in it</h2>{checks}'
        '<label class="wide">Up to prompt number (empty: all) '
        f'<input name="until" inputmode="numeric" value="{until}"></label>'
        '<label class="wide">Take out as well, one thing a line '
        f'<textarea name="take_out" rows="3" placeholder="a name, an address …">{words}</textarea></label>'
        '<button class="first">Show the page first</button></form>'
    )


async def _preview(parts: WebParts, base: str, draft: c.SharedPageDraft) -> str:
    said = taken_words(draft.taken_out)
    days = "".join(
        f'<option value="{each}"{" selected" if each == 7 else ""}>{words}</option>'
        for each, words in ((1, "1 day"), (7, "7 days"), (30, "30 days"), (90, "90 days"))
    )
    # By the function that makes the page: readers get what its maker has looked at.
    shown = await shared_body(parts.renderer, draft.document)
    return (
        '<section aria-labelledby="preview"><h2 id="preview">Exactly this is what readers see</h2>'
        f'<p role="status">{said}</p><div class="preview">{shown}</div>'
        f'<form class="row by-form" method="post" action="{base}/share/publish">'
        f'<input type="hidden" name="key" value="{secrets.token_urlsafe(16)}">'
        f'<input type="hidden" name="page" value="{escape(draft.id)}">'
        f'<label>Valid for <select name="days">{days}</select></label>'
        '<button class="first">Make the address</button></form></section>'
    )


def published_page(parts: WebParts, actor: Actor, session_id: str, published: c.PublishedPage) -> str:
    """Return the page that shows a new address, this once."""
    options = parts.options
    # The core stored only a hash of the token, so nobody can show this address again.
    address = escape(f"{options.address}/shared/{published.token}", quote=True)
    back = f"{escape(options.base_path, quote=True)}/chat/{escape(session_id)}/share"
    until = fragments.stamp(published.page.expires_ms)
    body = (
        "<h1>The page has its address</h1><p>Copy it now: it is shown this once. Whoever has it can read the "
        f'page until {until}.</p><p class="secret"><a href="{address}">{address}</a></p>'
        f'<p><a href="{back}">All pages of this session</a></p>'
    )
    return page(options, "The page has its address", body, reader=actor)


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%-d %B %Y, %H:%M UTC")
