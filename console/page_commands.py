"""Parses `/page`: pages of the session for readers without a login. Pure."""

from datetime import UTC, datetime

import api as c
from api.words.shared_pages import page_markdown, taken_words
from console.core_commands import NotUnderstood, OfSession
from texts.whole_numbers import whole_number

GUIDE = {
    "/page": "list the session's pages for readers without a login",
    "/page draft [WORDS]": "make such a page and show it as readers see it, without these words",
    "/page publish ID [DAYS]": "give it an address, for 7 days or so many; it is shown this once",
    "/page revoke ID": "take a page back",
}
NAMES = frozenset({"page"})
_HOW = "Say it like this: /page, /page draft [WORDS], /page publish ID [DAYS], /page revoke ID."


def parse_page(rest: str) -> OfSession | NotUnderstood:
    """Return the meaning of `/page` with the words `rest`."""
    match rest.split():
        case []:
            return OfSession(lambda id_, _: c.ListSharedPages(session_id=id_), _pages)
        case ["draft", *words]:
            # As many as the API takes.
            options = c.ShareOptions(take_out=tuple(words[:100]))
            return OfSession(lambda id_, _: c.DraftSharedPage(session_id=id_, options=options), _drafted)
        case ["publish", page_id]:
            return _publish(page_id, 7)
        case ["publish", page_id, days] if number := whole_number(days, c.LONGEST_DAYS):
            return _publish(page_id, number)
        case ["revoke", page_id]:
            wish = c.RevokeSharedPage
            return OfSession(
                lambda id_, _: wish(session_id=id_, page_id=page_id), lambda _: "Its address leads nowhere now."
            )
        case _:
            return NotUnderstood(_HOW)


def _publish(page_id: str, days: int) -> OfSession:
    return OfSession(lambda id_, _: c.PublishSharedPage(session_id=id_, page_id=page_id, days=days), _published)


def _pages(found: c.SharedPages) -> str:
    return "\n".join(map(_line, found.pages)) or "There are no pages. /page draft makes one, for a look first."


def _line(page: c.SharedPage) -> str:
    turns = f"{page.turns} turn{'' if page.turns == 1 else 's'}"
    return f"{page.id}  {turns}, opened {page.opened} times, ends {_moment(page.expires_ms)}"


def _drafted(draft: c.SharedPageDraft) -> str:
    how = f"This is what readers would see. /page publish {draft.id} gives it an address."
    return f"{page_markdown(draft.document)}\n{taken_words(draft.taken_out)} {how}"


def _published(done: c.PublishedPage) -> str:
    where = done.url or f"/shared/{done.token} below the address of the dashboard, which does not run now"
    return f"Everybody who has this address can read the page until {_moment(done.page.expires_ms)}: {where}"


def _moment(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone():%-d %B %Y, %H:%M}"
