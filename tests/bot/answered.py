"""An answer in a channel, as the view shows it."""

from sessions.model import Text
from tests.bot.room import Room

ANSWER = "Here is the answer."
CLOSING = "\n-# Done in 2.4 s · $0.03"


async def answer(r: Room, text: str = ANSWER) -> None:
    await r.session.prompt("ask")
    await r.session.add(Text(text))
    await r.session.end()
