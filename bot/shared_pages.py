"""`/session page`: the preview of a page for readers without a login, and the button that publishes it."""

from api import DraftSharedPage, PublishSharedPage
from api.words.shared_pages import page_markdown, taken_words
from bot.bodies import Button, Card, Control, File, LinkButton, Style, Verb
from bot.entry import Reply
from bot.errors import ControlGone
from bot.face import Face
from bot.panel_controls import stored
from bot.wording import counted, moment
from sessions.errors import WebOff

_DAYS = 7


async def page_body(face: Face, reply: Reply, session_id: str) -> Card:
    """Return the preview of a page as it is now. Raises `WebOff`, `NothingToShare`."""
    if not face.options.has_dashboard:
        raise WebOff
    draft = await face.core.perform(reply.actor, DraftSharedPage(session_id=session_id))
    turns = counted(len(draft.document.turns), "turn")
    words = (
        f"**A page of {turns}, as of now.** Whoever has its address reads it without login for {_DAYS} days. "
        "Later turns are not in it. The file has exactly what they see.\n"
        f"-# {taken_words(draft.taken_out)} The browser (/web) has more choices and takes pages back."
    )
    publish = Button(Control(Verb.PUBLISH, session_id, draft.id), "Make the address", Style.PRIMARY)
    # Made of the stored draft, which the button publishes: what is said meanwhile is not in it.
    preview = File("page.md", page_markdown(draft.document).encode(), "The page as readers see it")
    card = Card((words,), ((publish,),), files=(preview,))
    await stored(face, card)
    return card


class PageControls:
    """Carries out the button of the preview; see `controls.Controls`."""

    def __init__(self, face: Face) -> None:
        self._face = face

    async def handle(self, reply: Reply, control: Control) -> None:
        """Give the page of the preview its address, and tell it the person alone."""
        await reply.think()
        wish = PublishSharedPage(session_id=control.session_id, page_id=control.subject, days=_DAYS)
        done = await self._face.core.perform(reply.actor, wish)
        if not done.url:
            raise ControlGone
        until = moment(done.page.expires_ms, "f")
        words = f"The page is at this address until {until}. It is shown this once:\n{done.url}"
        await reply.say(Card((words,), ((LinkButton(done.url, "Open the page"),),)))
