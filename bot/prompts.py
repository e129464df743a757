"""Act on messages: a prompt in a session's thread, a mention or reply elsewhere, an edit, a deletion.

Takes inbox rows, whose bodies are `MessageBody`; the same row again has no second effect.
"""

import hashlib
import logging
from dataclasses import dataclass
from functools import partial
from math import ceil

import discord
import msgspec

from api import (
    Command,
    EditQueued,
    FindTurn,
    GetSession,
    Nothing,
    SendMessage,
    SessionInfo,
    WithdrawQueued,
)
from api.access import Action, Actor, Role
from bot.actors import VIEWER
from bot.asides import Asides, is_aside
from bot.attachments import fetch_files, files_list, stored_files
from bot.delivery_rows import is_being_opened
from bot.errors import CONNECTION_BROKEN, sentence_for
from bot.face import Face
from bot.inbox import TryAgain
from bot.inbox_rows import InboxRow, was_noted_of_an_edit
from bot.lone_files import IN_FILE, LoneFiles
from bot.members import Members
from bot.messages import MessageBody, is_soon, name_words, origin_of, prompt_words
from bot.opening import Opener, Spot, Wish
from bot.prompt_making import Parts, PromptMaker
from bot.refusal_audit import RefusalAudit
from bot.rows import Place, find_post, load_place, places_in
from bot.scopes import SessionScope, ThreadTalk
from bot.session_lookup import session_place
from bot.unseen_files import about_files, has_use, may_have_use
from bot.wording import duration
from bot.words_for_asks import WordsForAsks
from sessions.errors import IllegalMove, NotAllowed, PromptRefused, SessionNotFound, TurnNotFound
from sessions.model import Lifecycle, TurnStatus
from sessions.stored import StoredTurn

log = logging.getLogger(__name__)

GREETING = "What shall I do? Write it after the mention, or use /claude."
NO_WORDS = "Stickers and polls alone are no prompt. Reply to one with a few words, and Claude reads both."
NO_VOICE = "Claude cannot listen to voice messages. Write it instead."
HAS_IT_ALREADY = (
    "-# Claude has this prompt already, as it was before the edit. To change something, write a new message."
)
WAS_AN_ANSWER = (
    "-# Claude has this answer already, as it was before the edit. Write a new message to change it."
)
ONLY_MENTIONS = (
    "-# Claude answers here when you mention me or reply to me. It reads your other messages with that prompt."
)
SENT = "sent already"
_MOST_TOLD = 10_000
_MAY_PASS = (discord.DiscordServerError, discord.RateLimited, *CONNECTION_BROKEN)


@dataclass(frozen=True, slots=True)
class PromptParts:
    """The objects with which messages become prompts."""

    face: Face
    client: discord.Client
    opener: Opener
    members: Members
    maker: PromptMaker


class PromptHandler:
    """Acts on messages, edits and deletions; see `inbox.Handler`."""

    def __init__(self, parts: PromptParts, refusal_audit: RefusalAudit) -> None:
        self._face = parts.face
        self._client = parts.client
        self._opener = parts.opener
        self._members = parts.members
        self._maker = parts.maker
        self._asides = Asides(parts.face.db)
        self._refusal_audit = refusal_audit
        self._words_for_asks = WordsForAsks(parts.face)
        self._lone_files = LoneFiles(parts.face)
        self._told: dict[tuple[int, int, str], None] = {}

    async def handle(self, row: InboxRow) -> str:
        """Act on `row`; the note says why it was refused. Raises `TryAgain`, and errors for `give_up`."""
        try:
            match row.kind:
                case "message":
                    return await self._message(row, msgspec.convert(row.body, MessageBody))
                case "edit":
                    return await self._edited(row, msgspec.convert(row.body, MessageBody))
                case _:
                    return await self._deleted(row)
        except discord.RateLimited as error:
            await self._tell_of_limit(row, error)
            raise TryAgain from error
        except _MAY_PASS as error:
            raise TryAgain from error

    async def give_up(self, row: InboxRow, error: Exception) -> str:
        """Answer the message with a sentence. Raises `TryAgain`."""
        # From the row, so that a repeat after a crash tells the same number.
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
        actor = await self._members.actor(row.author_id, body.guild_id, body.role_ids)
        if actor.role is Role.NOBODY:
            # The role is worked out again here: messages that were read back came without roles.
            await self._refusal_audit.note(actor)
            return "nobody"
        body = await self._maker.named_body(body)
        place = await self._place_for(row, body)
        if place is not None and place.kind is SessionScope.THREAD:
            info = await self._viewed(actor, place)
            if info is not None and info.lifecycle is Lifecycle.ENDED:
                await self._tell_once(row, "This session has ended. Start a new one with /claude.")
                return "ended"
            if info is not None and is_aside(body, self._face.options.thread_talk):
                return await self._aside(row, body, actor, info)
            if info is not None and body.is_voice and not body.content:
                await self._tell_once(row, NO_VOICE)
                return "voice"
            if info is not None and body.is_empty and not (body.points_at_message and body.mentions_bot):
                await self._tell_once(row, NO_WORDS)
                return "empty"
            if info is not None and await self._lone_files.join(row, body):
                return ""
            if info is not None:
                return await self._prompt(row, body, actor, info)
            await self._tell_once(row, str(NotAllowed("prompt_this_session")))
            return "not allowed"
        # The first message of a forum post has the post's id, and does not wait for itself.
        begins_thread = body.message_id == row.channel_id
        if place is None and not begins_thread and await is_being_opened(self._face.db, row.channel_id):
            raise TryAgain  # the message that opened the thread comes first
        return await self._elsewhere(row, body, actor)

    async def _place_for(self, row: InboxRow, body: MessageBody) -> Place | None:
        """Return the place of the message's session: by the post that it replies to, or by its channel."""
        if body.reply_to is not None:
            post = await find_post(self._face.db, body.reply_to)
            if post is not None:
                return await load_place(self._face.db, post.session_id)
            if body.reply_to_bot and (below := await places_in(self._face.db, body.reply_to)):
                # The reply is to the message that the thread stands on.
                return below[0]
        return await session_place(self._face, row.channel_id, row.author_id)

    async def _viewed(self, actor: Actor, place: Place) -> SessionInfo | None:
        try:
            return await self._face.core.perform(actor, GetSession(session_id=place.session_id))
        except (NotAllowed, SessionNotFound):
            return None

    async def _elsewhere(self, row: InboxRow, body: MessageBody, actor: Actor) -> str:
        replies = body.reply_to is not None and await find_post(self._face.db, body.reply_to) is not None
        if not (body.mentions_bot or body.reply_to_bot or replies):
            return "not for us"  # it was taken in as the possible words of files, and was none
        if body.is_voice and not body.content:
            await self._tell_once(row, NO_VOICE)
            return "voice"
        if not prompt_words(body) and not body.files:
            await self._answer(row, NO_WORDS if body.extras else GREETING)
            return "empty"
        if await self._lone_files.join(row, body):
            return ""
        pasted = await self._lone_files.pasted(body)
        coming = stored_files(body.message_id, body.files)
        if not prompt_words(body) and coming and not any(map(may_have_use, coming)):
            await self._answer(row, "\n".join(about_files(coming)))
            return "nothing of use"
        spot = Spot(body.guild_id, row.channel_id, anchor_id=body.message_id)
        place, info = await self._opener.open(actor, spot, Wish(name=pasted or name_words(body)))
        if place.kind is SessionScope.THREAD:
            await self._opener.bring_in(actor, place.channel_id)
        return await self._prompt(row, body, actor, info, in_thread=True)

    async def _prompt(
        self, row: InboxRow, body: MessageBody, actor: Actor, info: SessionInfo, *, in_thread: bool = False
    ) -> str:
        """Send the message as a prompt. `in_thread`: with what people said before in its thread."""
        try:
            pasted = await self._lone_files.pasted(body)
            if pasted and pasted is not IN_FILE:
                body = msgspec.structs.replace(body, files=())
            # Files are looked at first: a paste alone may be the answer to a question.
            answer = body.content or pasted
            if answer and await self._words_for_asks.take(actor, info, body, answer):
                return ""
            said = await self._maker.looked_up(row, body, info, in_thread=in_thread)
            store = partial(self._face.core.put_file, actor)
            fetched = await fetch_files(store, info.id, body.message_id, said.files, self._face.options)
            meanwhile, asides = await self._asides.before(info.id, body.message_id)
            about = [*fetched.troubles, *about_files(fetched.files)]
            if about and not prompt_words(body) and not pasted and not any(map(has_use, fetched.files)):
                await self._answer(row, "\n".join(about))
                return "nothing of use"
            before = said.before + await self._maker.speaker(actor, info.id, body.author_name)
            parts = Parts(before, meanwhile + files_list(fetched.files), pasted)
            # Before it is sent: an edit that comes at once needs the parts around the words.
            parts = await self._maker.keep(body.message_id, parts)
            wish = SendMessage(
                session_id=info.id,
                content=parts.around(prompt_words(body)),
                origin=origin_of(body.message_id),
                attachments=fetched.files,
                title=pasted or name_words(body),
            )
            await self._face.core.perform(actor, wish)
            # After the prompt: a kill in between tells Claude the asides twice, but loses none.
            await self._asides.drop(info.id, *asides)
        except NotAllowed as error:
            await self._tell_once(row, str(error))
            return str(error)
        if about:
            await self._answer(row, "\n".join(("The prompt went to Claude. About its files:", *about)))
        return ""

    async def _aside(self, row: InboxRow, body: MessageBody, actor: Actor, info: SessionInfo) -> str:
        """Keep an aside if its author may prompt the session, for it goes along with the next prompt."""
        if (not body.is_empty or body.extras) and await self._face.core.may(actor, Action.PROMPT, info.id):
            await self._asides.keep(info.id, body)
            if self._face.options.thread_talk is ThreadTalk.MENTION:
                await self._tell_once(row, ONLY_MENTIONS)
        return ""

    # --- the queue --------------------------------------------------------------------------------------

    async def _edited(self, row: InboxRow, body: MessageBody) -> str:
        turn = await self._turn_of(origin_of(body.message_id))
        if turn is None and await self._words_for_asks.has_taken(body.message_id):
            if not await was_noted_of_an_edit(self._face.db, body.message_id, SENT):
                await self._answer(row, WAS_AN_ANSWER)
            return SENT
        if turn is None and body.mentions_bot and is_soon(row):
            return await self._message(row, body)
        if turn is None:
            if (place := await session_place(self._face, row.channel_id, row.author_id)) is not None:
                await self._asides.edit(place.session_id, await self._maker.named_body(body))
            return "no prompt"
        content = await self._maker.edited(body, turn)
        if content == turn.prompt:
            return "nothing changed"
        actor = await self._members.actor(row.author_id, body.guild_id, body.role_ids)
        wish = EditQueued(session_id=turn.session_id, turn_id=turn.id, content=content)
        note = await self._change_queue(actor, turn, wish)
        if note == SENT and not await was_noted_of_an_edit(self._face.db, body.message_id, SENT):
            await self._answer(row, HAS_IT_ALREADY)
        return note

    async def _deleted(self, row: InboxRow) -> str:
        turn = await self._turn_of(origin_of(int(row.body["message_id"])))
        if turn is None:
            if (place := await session_place(self._face, row.channel_id, row.author_id)) is not None:
                await self._asides.drop(place.session_id, str(row.body["message_id"]))
            return "no prompt"
        actor = await self._members.actor(row.author_id, int(row.body["guild_id"]))
        return await self._change_queue(
            actor, turn, WithdrawQueued(session_id=turn.session_id, turn_id=turn.id)
        )

    async def _turn_of(self, origin: str) -> StoredTurn | None:
        try:
            return await self._face.core.perform(VIEWER, FindTurn(origin=origin))
        except TurnNotFound:
            return None

    async def _change_queue(self, actor: Actor, turn: StoredTurn, wish: Command[Nothing]) -> str:
        """Change a prompt that is still queued. Return `SENT` if Claude has it already."""
        if turn.status is TurnStatus.WITHDRAWN:
            return "withdrawn"
        if turn.status is not TurnStatus.QUEUED:
            return SENT
        try:
            await self._face.core.perform(actor, wish)
        except (IllegalMove, TurnNotFound):
            return SENT  # it was sent just now
        except (PromptRefused, NotAllowed) as error:
            return str(error)
        return ""

    # --- answering --------------------------------------------------------------------------------------

    async def _tell_once(self, row: InboxRow, sentence: str) -> None:
        """Answer once per author, channel and sentence: people may talk in a thread that is not theirs."""
        told = (row.channel_id, row.author_id, sentence)
        if told not in self._told:
            await self._answer(row, sentence)
            self._remember(told)

    def _remember(self, told: tuple[int, int, str]) -> None:
        self._told[told] = None
        while len(self._told) > _MOST_TOLD:
            self._told.pop(next(iter(self._told)))

    async def _tell_of_limit(self, row: InboxRow, error: discord.RateLimited) -> None:
        """Tell the author, once per message, how long Discord makes it wait."""
        told = (row.channel_id, row.author_id, row.external)
        if row.kind == "message" and told not in self._told:
            self._remember(told)
            wait = duration(ceil(error.retry_after) * 1000)
            await self._answer(row, f"-# Discord takes no more of that here for {wait}. I go on with it then.")

    async def _answer(self, row: InboxRow, sentence: str) -> None:
        """Reply silently to the message. A repeated reply is the same message. Raises `TryAgain`."""
        message_id = int(row.body["message_id"])
        reference = discord.MessageReference(
            message_id=message_id, channel_id=row.channel_id, fail_if_not_exists=False
        )
        nonce = hashlib.blake2b(f"{row.external} {sentence}".encode(), digest_size=12).hexdigest()
        try:
            await self._client.get_partial_messageable(row.channel_id).send(
                sentence[:2000], reference=reference, mention_author=False, silent=True, nonce=nonce
            )
        except _MAY_PASS as error:
            raise TryAgain from error
        except discord.HTTPException as error:
            log.warning("answer not delivered", extra={"channel": row.channel_id, "why": type(error).__name__})
