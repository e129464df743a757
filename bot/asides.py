"""Asides: messages between people in a session's thread. They are no prompts, but go with the next one."""

import re

import msgspec

from bot.messages import MessageBody
from bot.rows import load_fact, store_fact, store_in_fact
from bot.scopes import ThreadTalk
from storage import Database

_MOST_CHARS = 8_000
_MOST = 20
_HEADING = "Said meanwhile in this thread, not to you:"
_BLOCK = re.compile(rf"\n\n{_HEADING}(?:\n>[^\n]*)+")
_CALLS_SOMEBODY = re.compile(r"\s*<@!?\d+>")


class Aside(msgspec.Struct, frozen=True):
    """One message that its author did not address to Claude."""

    author: str
    text: str


def is_aside(body: MessageBody, talk: ThreadTalk) -> bool:
    """Return whether a message in a session's thread is for other people.

    A message that names the bot or replies to it is always a prompt. Any other message is an aside if it begins
    with somebody's mention or replies to somebody else. With `ThreadTalk.MENTION` it always is.
    """
    if body.mentions_bot or body.reply_to_bot:
        return False
    return talk is ThreadTalk.MENTION or body.reply_to_other or _calls_somebody(body)


def _calls_somebody(body: MessageBody) -> bool:
    # The text of an unknown user, and of a row of an earlier version, begins with the mention itself.
    return body.calls_other or bool(_CALLS_SOMEBODY.match(body.content))


class Asides:
    """The asides of each session since its last prompt."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def keep(self, session_id: str, body: MessageBody) -> None:
        """Remember the message. If it is known, its new text replaces the old one."""
        aside = msgspec.json.encode(Aside(body.author_name, _words(body)[:_MOST_CHARS])).decode()
        # By the message's id: an edit replaces the text, a repeat changes nothing.
        await self._db.write([store_in_fact(_fact(session_id), str(body.message_id), aside)])

    async def edit(self, session_id: str, body: MessageBody) -> None:
        """Replace the text of an aside. Does nothing if the message is no aside or went with a prompt."""
        if str(body.message_id) in await self._load(session_id):
            await self.keep(session_id, body)

    async def drop(self, session_id: str, *message_ids: str) -> None:
        """Forget asides that were deleted or went along with a prompt."""
        kept = await self._load(session_id)
        # Read and written apart: only the one worker of the session's channel changes asides.
        left = {key: aside for key, aside in kept.items() if key not in message_ids}
        if left != kept:
            await self._db.write([store_fact(_fact(session_id), msgspec.json.encode(left).decode())])

    async def before(self, session_id: str, message_id: int) -> tuple[str, tuple[str, ...]]:
        """Return the newest asides before a prompt as text to append to it, and the ids of all those before it.

        The text has at most 20 asides and about 8,000 characters.
        """
        kept = await self._load(session_id)
        # Later ones wait for the next prompt: a message that is read back is handled after they came.
        earlier = sorted((key for key in kept if int(key) < message_id), key=int)
        text = ""
        for key in reversed(earlier[-_MOST:]):
            said = "".join(f"\n> {line}" for line in f"{kept[key].author}: {kept[key].text}".split("\n"))
            if len(text) + len(said) > _MOST_CHARS:
                break
            text = said + text
        return (f"\n\n{_HEADING}{text}" if text else ""), tuple(earlier)

    async def _load(self, session_id: str) -> dict[str, Aside]:
        stored = await load_fact(self._db, _fact(session_id))
        return msgspec.json.decode(stored, type=dict[str, Aside]) if stored else {}


def _words(body: MessageBody) -> str:
    """Return the words of an aside, with the names of its files: what is not said is part of the talk too."""
    files = f"(files: {', '.join(each.name for each in body.files)})" if body.files else ""
    forwarded = f"Forwarded message:\n{body.forwarded}" if body.forwarded else ""
    return "\n".join(part for part in (body.content, forwarded, body.extras, files) if part)


def asides_in(prompt: str) -> str:
    """Return the text that `before` gave for this prompt; empty if it has none."""
    found = _BLOCK.search(prompt)
    return found[0] if found else ""


def _fact(session_id: str) -> str:
    return f"asides:{session_id}"
