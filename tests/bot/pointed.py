"""The session that a message began or went on with."""

from sessions.session import Session
from tests.bot.ways import Ways
from tests.fakes.discord_server import Message


async def session_on(ways: Ways, message: Message) -> Session:
    """The session in the thread that the bot opened on the message."""
    thread = await ways.fake.general.wait_for_thread(lambda each: each.id == message.id)
    session = await ways.session_in(thread)
    await ways.dealt_with()
    return session
