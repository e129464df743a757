"""What messages mean: a prompt in a session's thread, a mention or reply elsewhere, an edit, a deletion.

Acts on inbox rows, whose bodies are `MessageBody`; the same row again has no second effect.
"""

import hashlib
import logging
from collections.abc import Callable

import discord
import msgspec

from bot.actors import FACE, Somebody, actor_of
from bot.attachments import IncomingFile, fetch_files, incoming, stored_files, with_files
from bot.errors import CONNECTION_BROKEN, sentence_for
from bot.face import Face
from bot.inbox import TryAgain
from bot.opening import THREAD, Opener, Spot, Wish
from bot.rows import InboxRow, Place, find_post, load_place, places_in
from bot.whereabouts import session_place
from sessions.access import Actor, Role
from sessions.commands import (
    Command,
    EditQueued,
    GetSession,
    Nothing,
    SendMessage,
    SessionInfo,
    WithdrawQueued,
)
from sessions.errors import IllegalMove, NotAllowed, PromptRefused, SessionNotFound, TurnNotFound
from sessions.model import Lifecycle, TurnStatus
from sessions.rows import StoredTurn, find_turn_by_origin
from sessions.title import title_from

log = logging.getLogger(__name__)

_PLAIN_TYPES = (discord.MessageType.default, discord.MessageType.reply)
_MAX_QUOTE = 4_000
GREETING = "What shall I do? Write it after the mention, or use /claude."


class MessageBody(msgspec.Struct, frozen=True):
    """What acting on a message needs. `role_ids` is None where Discord did not say (read back from history)."""

    guild_id: int
    message_id: int
    content: str
    files: tuple[IncomingFile, ...] = ()
    role_ids: tuple[int, ...] | None = None
    mentions_bot: bool = False
    reply_to: int | None = None
    reply_to_bot: bool = False
    quoted: str = ""


def origin_of(message_id: int) -> str:
    """The core's key of a prompt that came as this message."""
    return f"{FACE}:message:{message_id}"


def message_row(message: discord.Message, bot_id: int) -> InboxRow | None:
    """The row for a message of a person in a guild; None for all others."""
    if message.guild is None or message.author.bot or message.webhook_id is not None:
        return None
    if message.type not in _PLAIN_TYPES or not (message.content or message.attachments):
        return None
    replied = message.reference.resolved if message.reference is not None else None
    resolved = replied if isinstance(replied, discord.Message) else None
    author = message.author
    body = MessageBody(
        guild_id=message.guild.id,
        message_id=message.id,
        content=message.content,
        files=incoming(message.attachments),
        role_ids=tuple(role.id for role in author.roles) if isinstance(author, discord.Member) else None,
        mentions_bot=any(user.id == bot_id for user in message.mentions),
        reply_to=message.reference.message_id if message.reference is not None else None,
        reply_to_bot=resolved is not None and resolved.author.id == bot_id,
        quoted=resolved.content[:_MAX_QUOTE] if resolved is not None and resolved.author.id != bot_id else "",
    )
    return InboxRow(
        external=f"message:{message.id}",
        kind="message",
        channel_id=message.channel.id,
        author_id=author.id,
        body=msgspec.to_builtins(body),
        received_ms=snowflake_ms(message.id),
    )


def snowflake_ms(snowflake: int) -> int:
    """When Discord made the thing with this id, in milliseconds since the epoch."""
    return (snowflake >> 22) + discord.utils.DISCORD_EPOCH


async def is_for_us(face: Face, row: InboxRow) -> bool:
    """Whether the message is in a session's thread, mentions the bot, or replies to it."""
    if row.body["guild_id"] not in face.access.guild_ids:
        return False
    if row.body["mentions_bot"] or row.body["reply_to_bot"]:
        return True
    return any(place.kind == THREAD for place in await places_in(face.db, row.channel_id))


class PromptHandler:
    """Acts on messages, edits and deletions; see `inbox.Handler`."""

    def __init__(self, face: Face, client: discord.Client, opener: Opener) -> None:
        self._face = face
        self._client = client
        self._opener = opener
        self._told: set[tuple[int, int]] = set()

    async def handle(self, row: InboxRow) -> str:
        """Act on `row`; the note says why it was refused. Raises `TryAgain` and what `give_up` takes."""
        try:
            match row.kind:
                case "message":
                    return await self._message(row, msgspec.convert(row.body, MessageBody))
                case "edit":
                    return await self._edited(row, msgspec.convert(row.body, MessageBody))
                case _:
                    return await self._deleted(row)
        except (discord.DiscordServerError, discord.RateLimited, *CONNECTION_BROKEN) as error:
            raise TryAgain from error

    async def give_up(self, row: InboxRow, error: Exception) -> str:
        """Answer the message with a sentence; raises nothing."""
        incident = f"{row.received_ms & 0xFFFFFFFF:08x}"
        sentence = sentence_for(error)
        if sentence is None:
            log.error("message failed", extra={"incident": incident}, exc_info=error)
            sentence = f"Something went wrong. Tell an admin the number {incident}."
        if row.kind == "message":
            await self._answer(row, sentence)
        return sentence

    # --- messages ---------------------------------------------------------------------------------------

    async def _message(self, row: InboxRow, body: MessageBody) -> str:
        actor = await self.actor(row.author_id, body.guild_id, body.role_ids)
        if actor.role is Role.NOBODY:
            return "nobody"
        place = await self._place_for(row, body)
        if place is not None and place.kind == THREAD:
            info = await self._viewed(actor, place)
            if info is not None and info.lifecycle is Lifecycle.ENDED:
                await self._tell_once(row, "This session has ended. Start a new one with /claude.")
                return "ended"
            if info is not None:
                return await self._prompt(row, body, actor, info)
            await self._tell_once(row, str(NotAllowed("prompt_this_session")))
            return "not allowed"
        return await self._elsewhere(row, body, actor)

    async def _place_for(self, row: InboxRow, body: MessageBody) -> Place | None:
        """The session that the message belongs to: by what it replies to, or by where it is."""
        if body.reply_to is not None:
            post = await find_post(self._face.db, body.reply_to)
            if post is not None:
                return await load_place(self._face.db, post.session_id)
            if body.reply_to_bot and (below := await places_in(self._face.db, body.reply_to)):
                return below[0]
        return await session_place(self._face, row.channel_id, row.author_id)

    async def _viewed(self, actor: Actor, place: Place) -> SessionInfo | None:
        try:
            return await self._face.core.perform(actor, GetSession(session_id=place.session_id))
        except (NotAllowed, SessionNotFound):
            return None

    async def _elsewhere(self, row: InboxRow, body: MessageBody, actor: Actor) -> str:
        text = self._said(body)
        if not text and not body.files:
            await self._answer(row, GREETING)
            return "empty"
        spot = Spot(body.guild_id, row.channel_id, anchor_id=body.message_id)
        # Made here, for the core would make it from the prompt with the list of its files.
        title = title_from(text) if body.files else ""
        place, info = await self._opener.open(actor, spot, Wish(name=text, title=title))
        if place.kind == THREAD:
            await self._opener.bring_in(actor, place.channel_id)
        return await self._prompt(row, body, actor, info)

    async def _prompt(self, row: InboxRow, body: MessageBody, actor: Actor, info: SessionInfo) -> str:
        try:
            directory = await self._face.work_directory(info.id)
            fetched = await fetch_files(directory, body.message_id, body.files, self._face.options)
            wish = SendMessage(
                session_id=info.id,
                content=with_files(self._said(body), fetched.files),
                origin=origin_of(body.message_id),
                attachments=fetched.files,
            )
            await self._face.core.perform(actor, wish)
        except NotAllowed as error:
            await self._tell_once(row, str(error))
            return str(error)
        if fetched.troubles:
            await self._answer(row, "\n".join(("The prompt went to Claude without this:", *fetched.troubles)))
        return ""

    def _said(self, body: MessageBody) -> str:
        """The prompt: what was written without the mention that called us, after what it replies to."""
        me = self._client.user.id if self._client.user is not None else 0
        text = body.content
        for form in (f"<@{me}>", f"<@!{me}>"):
            text = text.replace(form, " ", 1) if text.lstrip().startswith(form) else text
        text = text.strip()
        if body.quoted and text:
            quote = "\n".join(f"> {line}" for line in body.quoted.split("\n"))
            return f"{quote}\n\n{text}"
        return text

    # --- the queue --------------------------------------------------------------------------------------

    async def _edited(self, row: InboxRow, body: MessageBody) -> str:
        content = with_files(self._said(body), stored_files(body.message_id, body.files))
        actor = await self.actor(row.author_id, body.guild_id, body.role_ids)
        return await self._change_queue(
            actor,
            body.message_id,
            lambda turn: EditQueued(session_id=turn.session_id, turn_id=turn.id, content=content),
        )

    async def _deleted(self, row: InboxRow) -> str:
        actor = await self.actor(row.author_id, int(row.body["guild_id"]), None)
        return await self._change_queue(
            actor,
            int(row.body["message_id"]),
            lambda turn: WithdrawQueued(session_id=turn.session_id, turn_id=turn.id),
        )

    async def _change_queue(
        self, actor: Actor, message_id: int, wish: Callable[[StoredTurn], Command[Nothing]]
    ) -> str:
        """Change the prompt of a message if it still waits; what Claude has read already stays as it is."""
        turn = await find_turn_by_origin(self._face.db, origin_of(message_id))
        if turn is None:
            return "no prompt"
        if turn.status is not TurnStatus.QUEUED:
            return "not waiting"
        try:
            await self._face.core.perform(actor, wish(turn))
        except (IllegalMove, TurnNotFound, PromptRefused, NotAllowed) as error:
            return str(error)
        return ""

    # --- people -----------------------------------------------------------------------------------------

    async def actor(self, user_id: int, guild_id: int, role_ids: tuple[int, ...] | None) -> Actor:
        """Who wrote it. Where the roles are not known, Discord is asked; who has left is nobody."""
        if role_ids is None:
            try:
                member = await self._client.http.get_member(guild_id, user_id)
            except discord.NotFound:
                return actor_of(self._face.access, Somebody(user_id, None))
            role_ids = tuple(int(each) for each in member["roles"])
        return actor_of(self._face.access, Somebody(user_id, guild_id, frozenset(role_ids)))

    async def _tell_once(self, row: InboxRow, sentence: str) -> None:
        """Answer, but not to every message: people may talk in a thread that is not theirs."""
        who = (row.channel_id, row.author_id)
        if who not in self._told:
            self._told.add(who)
            await self._answer(row, sentence)

    async def _answer(self, row: InboxRow, sentence: str) -> None:
        message_id = int(row.body["message_id"])
        reference = discord.MessageReference(
            message_id=message_id, channel_id=row.channel_id, fail_if_not_exists=False
        )
        nonce = hashlib.blake2b(f"{row.external} {sentence}".encode(), digest_size=12).hexdigest()
        try:
            await self._client.get_partial_messageable(row.channel_id).send(
                sentence[:2000], reference=reference, mention_author=False, silent=True, nonce=nonce
            )
        except (discord.HTTPException, *CONNECTION_BROKEN) as error:
            log.warning("answer not delivered", extra={"channel": row.channel_id, "why": type(error).__name__})
