"""Make a prompt of a message: what it points at, who speaks, its own words, what was said meanwhile, its files.

`prompts.py` decides where the prompt goes. A prompt's parts around the author's words are stored before it is
sent, so that an edit of the message replaces the words and nothing else.
"""

from dataclasses import dataclass

import discord
import msgspec

from api import GetSession, ReadTurn, SessionInfo
from api.access import Actor
from bot.actors import VIEWER
from bot.asides import asides_in
from bot.attachments import IncomingFile, files_list
from bot.face import Face
from bot.inbox_rows import InboxRow, last_prompt_in
from bot.markdown.cards import shortened
from bot.members import Members
from bot.message_words import Pointed, pointed, quote
from bot.messages import MessageBody, prompt_words
from bot.readable_names import one_line, users_in, with_users
from bot.rows import find_post, load_fact, places_in, store_fact
from bot.subjects import UnitKind, parse_subject
from bot.thread_context import read_context
from sessions.errors import SessionError
from sessions.stored import StoredTurn

_GONE = "(This replies to a message that is gone.)"
_MOST_OF_ANSWER = 1_500
_MOST_OF_PROMPT = 80


class Parts(msgspec.Struct, frozen=True):
    """The parts of a prompt around the words of its message. `pasted` is the text of its only file."""

    before: str = ""
    after: str = ""
    pasted: str = ""

    def around(self, words: str) -> str:
        """Return the whole prompt."""
        words = "\n\n".join(part for part in (words, self.pasted) if part)
        return f"{self.before}{words}{self.after}".strip()


@dataclass(frozen=True, slots=True)
class Said:
    """The part of a prompt before its words, and all files: of the message, and of those that it points at."""

    before: str
    files: tuple[IncomingFile, ...]


class PromptMaker:
    """Makes prompts of messages. Methods raise `discord.HTTPException`, `CONNECTION_BROKEN`, `StorageError`."""

    def __init__(self, face: Face, client: discord.Client, members: Members) -> None:
        self._face = face
        self._client = client
        self._members = members

    async def looked_up(self, row: InboxRow, body: MessageBody, info: SessionInfo, *, in_thread: bool) -> Said:
        """Return the message with what it points at. `in_thread`: and what was said before in its thread.

        `body` has names instead of all ids; see `named`.
        """
        replied, files = await self._replied(row, body)
        context = ""
        if in_thread:
            # A new session has read none of the earlier messages, whatever the inbox says.
            after = await last_prompt_in(self._face.db, row) if info.message_count else None
            context, first = await read_context(self._client, row, self._face.options.thread_context, after)
            files += first
        before = "".join(f"{part}\n\n" for part in (context, replied) if part)
        return Said(await self.named(before, body.guild_id), body.files + files)

    async def named(self, text: str, guild_id: int) -> str:
        """Return `text` with the names of users who are still mentioned by id."""
        ids = users_in(text)
        return with_users(text, await self._members.names(ids, guild_id)) if ids else text

    async def named_body(self, body: MessageBody) -> MessageBody:
        """Return the message with the names of users who are still mentioned by id."""
        content = await self.named(body.content, body.guild_id)
        forwarded = await self.named(body.forwarded, body.guild_id)
        return msgspec.structs.replace(body, content=content, forwarded=forwarded)

    async def speaker(self, actor: Actor, session_id: str, name: str) -> str:
        """Return a line that tells Claude who speaks, if several people may prompt the session."""
        info = await self._face.core.perform(VIEWER, GetSession(session_id=session_id))
        # Where only the owner prompts, the line would tell Claude nothing.
        several = info.prompted_by_several or actor.user_id != info.user_id
        return f"{one_line(name)} writes:\n" if several else ""

    async def keep(self, message_id: int, parts: Parts) -> Parts:
        """Store the parts for edits of the message, and return them; known parts stay as they are.

        A message that is handled again finds other messages before it, but the prompt is sent already.
        """
        known = await self._parts(message_id)
        if known is not None or parts == Parts():
            return known or parts
        await self._face.db.write([store_fact(_fact(message_id), msgspec.json.encode(parts).decode())])
        return parts

    async def _parts(self, message_id: int) -> Parts | None:
        stored = await load_fact(self._face.db, _fact(message_id))
        return msgspec.json.decode(stored, type=Parts) if stored else None

    async def edited(self, body: MessageBody, turn: StoredTurn) -> str:
        """Return the prompt of `turn` with the words of its edited message."""
        parts = await self._parts(body.message_id)
        if parts is None:  # the prompt of an earlier version
            parts = Parts(after=asides_in(turn.prompt) + files_list(turn.attachments))
        return parts.around(prompt_words(await self.named_body(body)))

    # --- the message that it replies to -----------------------------------------------------------------

    async def _replied(self, row: InboxRow, body: MessageBody) -> tuple[str, tuple[IncomingFile, ...]]:
        """Return the message that `body` replies to as text, and its files."""
        if body.reply_to is None:
            return "", ()
        post = await find_post(self._face.db, body.reply_to)
        if post is None and await places_in(self._face.db, body.reply_to):
            return "", ()  # the message on which the session's thread stands: Claude has its words
        replied = await self._found(row, body)
        if replied is None:
            return _GONE, ()
        if post is not None:
            kind, key = parse_subject(post.subject)
            is_of_turn = kind in (UnitKind.TURN, UnitKind.PICTURES)
            if is_of_turn and (turn := await self._turn(post.session_id, key)) is not None:
                return _answer(turn, replied), ()
        by = f"A message by {replied.author}" if replied.author else "A message"
        return f"{by}:\n{quote(replied.text)}", replied.files

    async def _found(self, row: InboxRow, body: MessageBody) -> Pointed | None:
        if body.replied is not None or body.reply_is_gone or body.reply_to is None:
            return body.replied
        if body.quoted:
            return Pointed("", body.quoted)
        channel = self._client.get_partial_messageable(row.channel_id, guild_id=body.guild_id)
        try:
            return pointed(await channel.fetch_message(body.reply_to))
        except (discord.NotFound, discord.Forbidden):
            return None

    async def _turn(self, session_id: str, turn_id: str) -> StoredTurn | None:
        wish = ReadTurn(session_id=session_id, turn_id=turn_id, with_blocks=False)
        try:
            return (await self._face.core.perform(VIEWER, wish)).turn
        except SessionError:
            return None


def _answer(turn: StoredTurn, replied: Pointed) -> str:
    about = shortened(" ".join(turn.prompt.split()), _MOST_OF_PROMPT)
    said = shortened(replied.text, _MOST_OF_ANSWER)
    return f"About your answer in turn {turn.number}, to “{about}”:\n{quote(said)}"


def _fact(message_id: int) -> str:
    return f"prompt:{message_id}"
