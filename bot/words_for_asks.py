"""Take a message as the answer to Claude's open question instead of as the next prompt."""

from api import AnswerAsk, ReadAsk, SessionInfo
from api.access import Action, Actor
from bot.asks_cards import chosen_words
from bot.face import Face
from bot.messages import MessageBody
from bot.rows import find_post, load_fact, load_place, load_posts, store_fact
from bot.subjects import UnitKind, parse_subject, subject_of
from bot.turn_store import load_picked
from sessions.errors import AlreadyDecided
from sessions.model import Answer, AskStatus, QuestionBody
from sessions.stored import StoredAsk


class WordsForAsks:
    """Answers open questions with messages. Methods raise `SessionError`, `StorageError`."""

    def __init__(self, face: Face) -> None:
        self._face = face

    async def take(self, actor: Actor, info: SessionInfo, body: MessageBody, words: str) -> bool:
        """Answer the session's one open question with the message. Return whether it was taken as an answer.

        A repeated message gives the same result. A message that was read back after an outage, or that is older
        than the question's card, is never an answer: its author has not seen the question.
        """
        note = f"answer:{body.message_id}"
        noted = await load_fact(self._face.db, note)
        stored = await self._read(actor, info, noted) if noted else await self._question(actor, info, body)
        if stored is None or not isinstance(stored.ask.body, QuestionBody):
            return False
        if stored.status is not AskStatus.OPEN:
            return _was_answered_with(stored, actor, words)
        picked = await load_picked(self._face.db, stored.ask.id)
        # Choices that were clicked before count, too: own words may stand beside them.
        text = ", ".join((*chosen_words(picked, 0), words))
        decision = Answer({stored.ask.body.questions[0].text: text})
        # Noted first: after a crash the question may be closed, and the same message would become a prompt.
        await self._face.db.write([store_fact(note, stored.ask.id)])
        try:
            wish = AnswerAsk(session_id=info.id, ask_id=stored.ask.id, decision=decision)
            await self._face.core.perform(actor, wish)
        except AlreadyDecided:
            return False
        return True

    async def has_taken(self, message_id: int) -> bool:
        """Whether the message was taken as an answer."""
        return bool(await load_fact(self._face.db, f"answer:{message_id}"))

    async def _question(self, actor: Actor, info: SessionInfo, body: MessageBody) -> StoredAsk | None:
        """Return the question that the message may answer: of the card replied to, or the only open one."""
        was_read_back = body.role_ids is None
        if was_read_back or body.files or body.forwarded:
            return None
        ask_id, turn_id = await self._replied_to(body)
        meant = [ask_id] if ask_id in info.open_asks else info.open_asks
        if len(meant) != 1:
            return None
        stored = await self._read(actor, info, meant[0])
        # A reply to anything else says more than its words: as a prompt, it takes along what it replies to.
        if body.reply_to is not None and not (ask_id == meant[0] or turn_id == stored.ask.turn_id):
            return None
        asks_one_thing = isinstance(stored.ask.body, QuestionBody) and len(stored.ask.body.questions) == 1
        if not asks_one_thing or not await self._face.core.may(actor, Action.APPROVE, info.id):
            return None
        return stored if await self._was_shown_before(stored, body) else None

    async def _replied_to(self, body: MessageBody) -> tuple[str, str]:
        """Return the ids of the ask and the turn whose post the message replies to, empty for others."""
        post = await find_post(self._face.db, body.reply_to) if body.reply_to is not None else None
        kind, key = parse_subject(post.subject) if post is not None else (None, "")
        return key if kind is UnitKind.ASK else "", key if kind is UnitKind.TURN else ""

    async def _read(self, actor: Actor, info: SessionInfo, ask_id: str) -> StoredAsk:
        return await self._face.core.perform(actor, ReadAsk(session_id=info.id, ask_id=ask_id))

    async def _was_shown_before(self, stored: StoredAsk, body: MessageBody) -> bool:
        place = await load_place(self._face.db, stored.session_id)
        if place is None:
            return False
        subject = subject_of(UnitKind.ASK, stored.ask.id)
        posts = await load_posts(self._face.db, place.session_id, place.channel_id, subject)
        # Discord's ids grow with time, by its own clock.
        return any(post.message_id is not None and post.message_id < body.message_id for post in posts)


def _was_answered_with(stored: StoredAsk, actor: Actor, words: str) -> bool:
    """Return whether `actor` has given this answer already: then the message came a second time."""
    decision = stored.decision
    is_it = isinstance(decision, Answer) and any(each.endswith(words) for each in decision.answers.values())
    return is_it and stored.decided_by == actor.user_id
