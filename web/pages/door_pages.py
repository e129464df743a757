"""The pages of the ways in: the login, and the list of logins and tokens."""

from datetime import UTC, datetime
from html import escape

from api.access import Actor
from web.pages import fragments
from web.pages.layout import page
from web.parts import WebParts
from web.principals import Login, Principal, Scope, Token


def login_page(parts: WebParts) -> str:
    """Return the page that a login link opens. The script reads the code from the fragment and asks first."""
    body = (
        '<section id="login" class="card"><h1>Log in</h1>'
        '<p id="who">A login needs a link: `claude-bridge web` prints one, /web in Discord gives you one.</p>'
        '<div class="row"><button type="button" class="first" id="confirm" hidden>Log in</button></div>'
        "<noscript><p>This page needs scripts to log in.</p></noscript></section>"
    )
    return page(parts.options, "Log in", body, kind="login")


async def doors_page(parts: WebParts, actor: Actor, principal: Principal) -> str:
    """Return the page of a person's logins and tokens."""
    logins = await parts.doors.logins(actor.user_id)
    tokens = await parts.doors.tokens(actor.user_id)
    scopes = "".join(f'<option value="{each.value}">{_SCOPES[each]}</option>' for each in Scope)
    body = (
        '<h1>Logins and tokens</h1><section class="card"><h2>Browsers</h2><ul>'
        f"{''.join(_login(each, principal) for each in logins)}</ul></section>"
        '<section class="card"><h2>Tokens for programs</h2>'
        f"<ul>{''.join(_token(each) for each in tokens) or '<li class=dim>There is none yet.</li>'}</ul>"
        '<form id="token" class="row"><label>Name <input name="name" required maxlength="80"></label>'
        f'<label>May <select name="scope">{scopes}</select></label>'
        '<button class="first">Make a token</button></form>'
        '<p id="secret" class="secret" role="status" hidden></p></section>'
    )
    return page(parts.options, "Logins and tokens", body, reader=actor)


_SCOPES = {
    Scope.READ: "read",
    Scope.OPERATE: "read and prompt",
    Scope.APPROVE: "read, prompt and answer",
    Scope.ADMIN: "everything",
}


def _login(login: Login, principal: Principal) -> str:
    mine = " · this browser" if login.id == principal.id else ""
    return (
        f"<li><p>{fragments.text_of(browser_name(login.browser))}"
        f'<span class="dim"> · since {_day(login.made_ms)}{mine}</span></p>'
        f'<button type="button" data-end="logins/{escape(login.id)}">Log out</button></li>'
    )


def browser_name(described: str) -> str:
    """Return a browser's name for people from its own description (the header `User-Agent`)."""
    # The order counts: Edge and Opera also call themselves Chrome, and Chrome calls itself Safari.
    programs = (
        ("Firefox/", "Firefox"),
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    )
    # An Android names Linux, and an iPhone names Mac OS: the narrower word comes first.
    systems = (("Android", "Android"), ("iPhone", "an iPhone"), ("iPad", "an iPad"), ("Mac OS", "a Mac"))
    more = (("Windows", "Windows"), ("Linux", "Linux"))
    program = next((name for mark, name in programs if mark in described), "A browser")
    system = next((name for mark, name in (*systems, *more) if mark in described), "")
    return f"{program} on {system}" if system else program


def _token(token: Token) -> str:
    used = f"used {_day(token.used_ms)}" if token.used_ms else "never used"
    return (
        f"<li><p>{fragments.text_of(token.name)}<span class=dim> · {_SCOPES[token.scope]} · {used} · "
        f"until {_day(token.expires_ms)}</span></p>"
        f'<button type="button" data-end="tokens/{escape(token.id)}">Revoke</button></li>'
    )


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")
