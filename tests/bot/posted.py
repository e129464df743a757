"""Messages with controls, as the view posts them, and a session that asks."""

from bot.bodies import Body, Button, Control, Plain
from bot.discord_bodies import message_kwargs
from bot.rows import insert_controls
from sessions.session import Session
from tests.bot.ways import Ways
from tests.fakes.discord_server import Message, Place
from tests.sessions.running_core import reached


async def post(ways: Ways, place: Place, body: Body) -> Message:
    """Post `body` as the view would."""
    await ways.core.db.write(insert_controls(body))
    await ways.client.get_partial_messageable(place.id).send(**message_kwargs(body))
    return place.from_bot[-1]


def buttons(*controls: Control) -> Plain:
    return Plain("a panel", (tuple(Button(each, each.verb.value) for each in controls),))


async def asking(ways: Ways, prompt: str = "demo:bash touch x") -> tuple[Place, Session, str]:
    """Ann's session with an open ask: thread, session, id of the ask."""
    await ways.town.ann.slash(ways.fake.general, "claude", prompt=prompt).settled()
    thread = await ways.fake.general.wait_for_thread()
    session = await ways.session_in(thread)
    snapshot = await reached(session, lambda each: bool(each.asks))
    return thread, session, snapshot.asks[0].id
