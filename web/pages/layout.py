"""The frame of every page: head, navigation, style and script."""

from html import escape

from api.access import Actor, Role
from texts.unseen import as_seen
from web.parts import WebOptions
from web.static_files import StaticFiles

FILES = StaticFiles()


def page(options: WebOptions, title: str, body: str, *, reader: Actor | None = None, kind: str = "") -> str:
    """Return a whole page. `body` is HTML; there is no `reader` before the login."""
    base = escape(options.base_path, quote=True)
    is_admin = reader is not None and reader.role is Role.ADMIN
    bridge = f'<a href="{base}/admin">Bridge</a>' if is_admin else ""
    menu = (
        f'<nav aria-label="Pages"><a href="{base}/">Sessions</a><a href="{base}/runs">Work-flows</a>'
        f'<a href="{base}/doors">Logins</a>{bridge}</nav>'
        if reader is not None
        else ""
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        # `resizes-content`: a phone's keyboard makes the page smaller and does not cover the field.
        '<meta name="viewport" content="width=device-width, initial-scale=1, '
        'interactive-widget=resizes-content">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(as_seen(title))}</title>"
        f'<link rel="icon" href="{base}{FILES.path("icon.svg")}" type="image/svg+xml">'
        f"{_styles_and_modules(base)}"
        f'<script type="module" src="{base}{FILES.path("app.js")}"></script></head>'
        f'<body class="{kind}" data-base="{base}">'
        '<a class="skip" href="#main">To the content</a>'
        f'<header class="top"><a class="name" href="{base}/">Claude Bridge</a>{menu}</header>'
        f'<main id="main">{body}</main><div id="toast" role="alert"></div></body></html>\n'
    )


def _styles_and_modules(base: str) -> str:
    styles = "".join(f'<link rel="stylesheet" href="{base}{FILES.path(name)}">' for name in FILES.names(".css"))
    # Named here, so that the browser need not read one module to learn of the next.
    others = [name for name in FILES.names(".js") if name != "app.js"]
    return styles + "".join(f'<link rel="modulepreload" href="{base}{FILES.path(name)}">' for name in others)


def problem_page(options: WebOptions, sentence: str) -> str:
    """Return the page for a person whose request was refused, with the way back."""
    back = f'<p><a class="back" href="{escape(options.base_path, quote=True)}/">To the sessions</a></p>'
    return page(options, "Not here", f"<h1>{escape(as_seen(sentence))}</h1>{back}")
