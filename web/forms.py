"""Forms that a browser sends without a script."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import web

from web.act_keys import fingerprint
from web.problems import Refused

_KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")


async def read_form(request: web.Request) -> Mapping[str, str]:
    """Return the fields of a form. Raises `Refused` for another content type."""
    # Read by hand: aiohttp's own reader of forms counts its limit for each part anew.
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refused(415, "form_needed", "Send the form as application/x-www-form-urlencoded.")
    # `client_max_size` of the application bounds what is read here.
    text = (await request.read()).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=20))
    except ValueError:
        raise Refused(400, "wrong_form", "The form has too many fields.") from None


def form_key(form: Mapping[str, str]) -> str:
    """Return the name of the act: the key that the page put into its form, and the form's content.

    A browser that goes back shows the form with its old key; another prompt must not be taken for the first.
    Raises `Refused` without a key.
    """
    key = form.get("key", "")
    if not _KEY.fullmatch(key):
        raise Refused(400, "wrong_form", "Load the page anew, then send this again.")
    # Sorted: the order of fields is the browser's, and one form sent twice is one act.
    return f"{key}:{fingerprint(*(f'{name}={value}'.encode() for name, value in sorted(form.items())))}"
