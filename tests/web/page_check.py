"""The judge of pages: nothing that somebody wrote is a tag or a script."""

from collections.abc import Iterator

from tests.web.page_model import Element
from tests.web.web_world import Browser

TAG_WORDS = """
a article b blockquote body br button caption code datalist dd details dialog div dl dt em fieldset figcaption
figure footer form h1 h2 h3 h4 h5 h6 head header hr html input label legend li link main mark meta nav
noscript ol option p pre progress rect root s script section select small span strong summary svg table
tbody td textarea th thead time title tr ul
"""
ATTR_WORDS = """
action aria-current aria-hidden aria-label aria-labelledby autocomplete charset checked class colspan
content data-act data-after data-again data-all data-anyway data-ask data-asks data-base data-body data-changes
data-decision data-end data-group data-line data-list data-local data-method data-note data-number data-of
data-on data-opens data-path data-pings data-post data-print data-question data-queue data-said data-session
data-stays data-run data-sure data-then data-to datetime for height hidden href id inputmode lang list max
maxlength method multiple name open placeholder preserveaspectratio rel required role rows scope selected src
start target title type value viewbox width x y
"""
TAGS, ATTRS = frozenset(TAG_WORDS.split()), frozenset(ATTR_WORDS.split())


def check(element: Element) -> None:
    """Every tag and attribute of the page is one that we write, and every address is harmless."""
    assert element.tag in TAGS, element.tag
    for name, value in element.attrs.items():
        assert name in ATTRS, (element.tag, name)
        if name in ("href", "src", "action"):
            assert (value or "").startswith(("/", "./", "?", "#", "https://", "http://", "mailto:")), value
    assert element.tag != "script" or (element.attrs.get("src") or "").startswith("/static/")
    for part in element.parts:
        if isinstance(part, Element):
            check(part)


async def send_form(browser: Browser, path: str, fields: dict[str, str]) -> str:
    """Send a form as a browser without scripts does; return the page that it leads to."""
    headers = {"Origin": browser.origin, "Sec-Fetch-Site": "same-origin"}
    async with browser.http.post(f"{browser.address}{path}", data=fields, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.text()


def every_element(element: Element) -> Iterator[Element]:
    yield element
    for part in element.parts:
        if isinstance(part, Element):
            yield from every_element(part)
