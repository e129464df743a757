"""Cards on hosts of the internet: the question when a sandbox refused one, and the list for a project. Pure."""

from api import SessionInfo, Site, Sites
from bot.bodies import Button, Card, Control, PostWish, Row, Style, Verb
from bot.cards import QUIET, WAITING
from bot.markdown.cards import escape_inline
from bot.subjects import UnitKind, subject_of
from bot.wording import moment, person
from sessions.events import Noticed
from sessions.model import SiteState

_MOST_LISTED = 30
_MOST_BUTTONS = 10
_A_ROW = 5
_LONGEST_LABEL = 60
_MOST_CHARS = 3_300
_FOOTER = "-# An admin decides. `/settings network` lists all hosts, and changes it later."
_WORDS = {SiteState.WANTED: "wanted", SiteState.ALLOWED: "allowed", SiteState.REFUSED: "refused"}


def site_question(event: Noticed, number: int, session_id: str) -> PostWish:
    """Return the post that asks whether the project may reach the host."""
    title = f"**Claude wanted {escape_inline(event.about, 253)}**"
    text = "It is not on the list of hosts that this project may reach."
    row: Row = (
        _button(session_id, event.about, "Allow for this project", SiteState.ALLOWED, Style.PRIMARY),
        _button(session_id, event.about, "No", SiteState.REFUSED),
    )
    return PostWish(
        subject_of(UnitKind.NOTICE, number),
        0,
        Card((title, text, _FOOTER), (row,), accent=WAITING),
    )


def sites_card(info: SessionInfo, found: Sites) -> Card:
    """Return the card of the hosts that sandboxes of the session's project wanted, with a button for each."""
    lines = [_line(each) for each in found.sites[:_MOST_LISTED]]
    if len(found.sites) > _MOST_LISTED:
        lines.append(f"and {len(found.sites) - _MOST_LISTED} more")
    if not lines:
        lines = ["No host was refused in this project so far."]
    buttons = [_other(info.id, each) for each in found.sites[:_MOST_BUTTONS]]
    rows = tuple(tuple(buttons[at : at + _A_ROW]) for at in range(0, len(buttons), _A_ROW))
    waits = any(each.state is SiteState.WANTED for each in found.sites)
    text = "\n".join(["**Hosts that Claude wanted**", *lines])
    return Card((text[:_MOST_CHARS],), rows, accent=WAITING if waits else QUIET)


def _line(site: Site) -> str:
    by = f", by {person(site.decided_by)} {moment(site.at_ms)}" if site.decided_by else ""
    return f"- {escape_inline(site.name, 253)}: {_WORDS[site.state]}{by}"


def _other(session_id: str, site: Site) -> Button:
    """Return the button for the decision that does not hold now."""
    # The end of a name says whose host it is; the owner of a domain chooses what stands before it.
    name = site.name if len(site.name) <= _LONGEST_LABEL else f"…{site.name[-_LONGEST_LABEL:]}"
    if site.state is SiteState.ALLOWED:
        # The control has the whole name, whatever the label shows.
        return _button(session_id, site.name, f"Refuse {name}", SiteState.REFUSED)
    return _button(session_id, site.name, f"Allow {name}", SiteState.ALLOWED)


def _button(session_id: str, name: str, label: str, state: SiteState, style: Style = Style.SECONDARY) -> Button:
    return Button(Control(Verb.SITE, session_id, state, name), label, style)
