"""The controls of ephemeral cards: pages of lists, permissions, and confirmations of irreversible commands."""

import msgspec

from api import (
    Clear,
    ClearAll,
    EndLeftRunning,
    GetSession,
    HoldForAll,
    QuerySessions,
    ReadPermissions,
    ReadPresence,
    ReadWorkPlace,
    TakeBackPermission,
)
from api.access import Action, Role
from bot.bodies import Body, Card, Control, Verb
from bot.entry import Reply
from bot.errors import ControlGone
from bot.face import Face
from bot.markdown.cards import code_block
from bot.panels import CLEAR, CLEAR_ALL, PAGE_SIZE, SESSIONS, ListState, session_list
from bot.permissions_card import permissions_card
from bot.rows import insert_controls, load_place
from bot.status_card import Opened, opened_card
from bot.web_link import web_link
from bot.wording import counted


class PanelControls:
    """Carries out uses of ephemeral cards' controls; see `controls.Controls`."""

    def __init__(self, face: Face) -> None:
        self._face = face

    async def handle(self, reply: Reply, control: Control, values: tuple[str, ...]) -> None:
        """Carry out one use of a panel's control."""
        match control.verb:
            case Verb.PAGE if control.subject.startswith(SESSIONS):
                state = msgspec.json.decode(control.detail, type=ListState)
                await reply.update(await stored(self._face, await list_body(self._face, reply, state)))
            case Verb.MORE:
                await reply.say(
                    await stored(self._face, await opened_body(self._face, reply, control.session_id))
                )
            case Verb.CONFIRM if control.subject == CLEAR:
                # Before the work: the watchdog would acknowledge with a new
                # message, and the panel would keep its button.
                await reply.will_update()
                await self._face.core.perform(reply.actor, Clear(session_id=control.session_id))
                await reply.update(Card(("The session has ended. What was said stays readable.",)))
            case Verb.CONFIRM if control.subject == CLEAR_ALL:
                await self._clear_all(reply)
            case Verb.BROWSER:
                await reply.say(await web_link(self._face, reply.actor, control.session_id))
            case Verb.END_LEFT_RUNNING:
                await reply.will_update()
                await self._face.core.perform(reply.actor, EndLeftRunning(session_id=control.session_id))
                opened = await opened_body(self._face, reply, control.session_id)
                await reply.update(await stored(self._face, opened))
            case Verb.TAKE_BACK if values:
                await reply.will_update()
                wish = TakeBackPermission(session_id=control.session_id, rule_id=int(values[0]))
                await self._face.core.perform(reply.actor, wish)
                await reply.update(await permissions_body(self._face, reply, control.session_id))
            case Verb.HOLD_FOR_ALL if values:
                await reply.will_update()
                rule = HoldForAll(session_id=control.session_id, rule_id=int(values[0]))
                await self._face.core.perform(reply.actor, rule)
                await reply.update(await permissions_body(self._face, reply, control.session_id))
            case _:
                raise ControlGone

    async def _clear_all(self, reply: Reply) -> None:
        await reply.will_update()
        report = await self._face.core.perform(reply.actor, ClearAll())
        troubles = [f"- …{each.session_id[-6:]}: {each.trouble}" for each in report.sessions if each.trouble]
        words = [f"{counted(len(report.sessions), 'session')} ended.", *troubles]
        await reply.update(Card(("\n".join(words)[:3500],)))


async def opened_body(face: Face, reply: Reply, session_id: str) -> Card:
    """Return the card of a session with everything that the reply's actor may see and do."""
    info = await face.core.perform(reply.actor, GetSession(session_id=session_id))
    shown_at = await load_place(face.db, info.id)
    # It names paths of the machine.
    hint = info.terminal_hint if reply.actor.role is Role.ADMIN else ""
    return opened_card(
        Opened(
            info=info,
            place=await face.core.perform(reply.actor, ReadWorkPlace(session_id=info.id)),
            channel_id=shown_at.channel_id if shown_at else None,
            terminal_hint=code_block(hint, "", 300) if hint else "",
            has_dashboard=face.options.has_dashboard,
            lookers=(await face.core.perform(reply.actor, ReadPresence(session_id=info.id))).user_ids,
            # Only for what the card shows: the core asks again at each click.
            may=frozenset([each for each in Action if await face.core.may(reply.actor, each, info.id)]),
        )
    )


async def list_body(face: Face, reply: Reply, state: ListState) -> Card:
    """Return a page of the session list, for the reply's actor."""
    page = await face.core.perform(
        reply.actor,
        QuerySessions(
            user_id=reply.actor.user_id if state.mine else "",
            text=state.text,
            limit=PAGE_SIZE,
            cursor=state.cursors[-1] if state.cursors else "",
        ),
    )
    places = {each.id: await load_place(face.db, each.id) for each in page.sessions}
    return session_list(page, state, {key: place.channel_id for key, place in places.items() if place})


async def permissions_body(face: Face, reply: Reply, session_id: str) -> Body:
    """Return the card of a session's present permissions, for the reply's actor."""
    info = await face.core.perform(reply.actor, GetSession(session_id=session_id))
    found = await face.core.perform(reply.actor, ReadPermissions(session_id=session_id))
    return await stored(face, permissions_card(info, found, is_admin=reply.actor.role is Role.ADMIN))


async def stored(face: Face, body: Body) -> Body:
    """Store the rows of the controls in `body`, and return `body`. Call it before `body` is sent."""
    if statements := insert_controls(body):
        await face.db.write(statements)
    return body
