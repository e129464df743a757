"""The frame of a session's pages beside the conversation: its title, and the way to the other pages."""

from collections.abc import Mapping
from html import escape

import msgspec

import api as c
from api.access import Actor
from web.pages import fragments
from web.pages.layout import page
from web.parts import WebOptions, WebParts

_PAGES = (("", "Conversation"), ("/checkpoints", "Checkpoints"), ("/branches", "Branches"), ("/share", "Share"))
NO_ASKS: Mapping[str, str] = {}
_OF_BRANCH = ("/merge", "Merge")


def place_of(options: WebOptions, session_id: str) -> str:
    """Return the address of a session's conversation, to be put into HTML."""
    return f"{escape(options.base_path, quote=True)}/chat/{escape(session_id)}"


def tabs(options: WebOptions, info: c.SessionInfo, place: str) -> str:
    """Return the links to a session's pages; `place` is the one that is shown."""
    base = place_of(options, info.id)
    pages = [*_PAGES, _OF_BRANCH] if info.has_own_copy else list(_PAGES)
    flow = info.work_flow
    run = (
        f'<a href="{escape(options.base_path, quote=True)}/runs/{escape(flow.id)}">Work-flow</a>'
        if flow is not None
        else ""
    )
    links = "".join(
        f'<a href="{base}{path}"{" aria-current=page" if path == place else ""}>{label}</a>'
        for path, label in pages
    )
    return f'<nav class="tabs" aria-label="Session">{links}{run}</nav>'


def work_page(parts: WebParts, actor: Actor, info: c.SessionInfo, place: str, heading: str, body: str) -> str:
    """Return a page of a session, with the tab `place` marked. `body` is HTML, `heading` text."""
    name = fragments.text_of(info.title or "Session")
    inside = (
        f'<div class="work" data-of="{escape(info.id)}"><p class="of dim">{name}</p>'
        f"<h1>{fragments.text_of(heading)}</h1>{tabs(parts.options, info, place)}{body}</div>"
    )
    return page(parts.options, f"{heading} · {info.title or 'Session'}", inside, reader=actor)


def act(
    label: str,
    route: str,
    *,
    body: object = None,
    then: str = "",
    kind: str = "",
    asks: Mapping[str, str] = NO_ASKS,
) -> str:
    """Return a button that sends a request; `route` is a method and a path below the session.

    `body` is sent as JSON. `then` is the page that opens after it. `asks`: `sure` is the question before it;
    a refusal with the code `asks` is a question, too, and yes sends `anyway` instead.
    """
    method, _, path = route.partition(" ")
    # As data, not as a script: the policy of the pages lets no script stand in the HTML.
    sent = "" if body is None else msgspec.json.encode(body).decode()
    facts = {"act": method, "path": path, "body": sent, "then": then, **asks}
    data = "".join(f' data-{name}="{escape(value, quote=True)}"' for name, value in facts.items() if value)
    style = f' class="{kind}"' if kind else ""
    return f'<button type="button"{style}{data}>{fragments.text_of(label)}</button>'
