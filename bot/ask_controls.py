"""Controls of ask cards: permissions, questions, plans. The core takes the first answer, and refuses others."""

from contextlib import suppress

import msgspec

from api import AnswerAsk, ReadAsk, ReadTurn, WithdrawQueued
from api.access import Action
from api.words.asks import worded
from bot.ask_decisions import DECISIONS
from bot.asks_cards import chosen_words, needs_submit, own_words_key, whole_ask
from bot.bodies import Control, Plain, Verb
from bot.entry import Reply
from bot.errors import Refused
from bot.face import Face
from bot.markdown.cards import escape_inline
from bot.modals import Question as Asked
from bot.modals import dialog
from bot.rows import store_in_fact
from bot.server_ask_controls import ServerAskControls
from bot.turn_store import load_picked, picked_fact
from faults import crash_point
from sessions.errors import AlreadyDecided, IllegalMove, TurnNotFound
from sessions.model import (
    AllowAlways,
    Answer,
    AskStatus,
    Decision,
    Deny,
    QuestionBody,
    RevisePlan,
    TurnStatus,
)
from sessions.stored import StoredAsk

_DENY_NOTE = Asked("Deny with a note", "What shall Claude do instead?", "Claude reads this and goes on.")
_REVISE = Asked("Revise the plan", "What shall be different?", "Claude reads this and plans again.")


class AskControls:
    """Carries out uses of ask cards' controls; see `controls.Controls`."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self.of_servers = ServerAskControls(face, self._answer, self._check_open)

    async def handle(self, reply: Reply, control: Control, values: tuple[str, ...], text: str | None) -> None:
        """Carry out one use of an ask's control."""
        if listed := DECISIONS.get(control.verb):
            await self._answer(reply, control, listed[0])
            return
        match control.verb:
            case Verb.ALLOW_ALWAYS:
                await self._answer(reply, control, AllowAlways(control.number))
            case Verb.DENY_NOTE:
                await self._with_note(reply, control, text, _DENY_NOTE)
            case Verb.REVISE_PLAN:
                await self._with_note(reply, control, text, _REVISE)
            case Verb.ANSWER_WITH_PROMPT:
                await self._with_prompt(reply, control)
            case Verb.SHOW_ALL:
                stored = await self._read(reply, control)
                await reply.say(Plain("Everything that Claude asks for:", files=(whole_ask(stored),)))
            case _:
                await self._question(reply, control, values, text)

    async def _answer(self, reply: Reply, control: Control, decision: Decision) -> None:
        wish = AnswerAsk(session_id=control.session_id, ask_id=control.subject, decision=decision)
        await self._face.core.perform(reply.actor, wish)
        crash_point("ask-answered")

    async def _with_note(self, reply: Reply, control: Control, text: str | None, asked: Asked) -> None:
        if text is None:
            await self._check_open(reply, control)
            await reply.open_dialog(dialog(control, asked))
            return
        decision: Decision = Deny(text) if control.verb is Verb.DENY_NOTE else RevisePlan(text)
        await self._answer(reply, control, decision)

    async def _with_prompt(self, reply: Reply, control: Control) -> None:
        """Answer with the text of a queued prompt, and take that prompt out of the queue."""
        stored = await self._check_open(reply, control)
        waiting = ReadTurn(session_id=control.session_id, turn_id=control.detail)
        turn = (await self._face.core.perform(reply.actor, waiting)).turn
        if turn.status is not TurnStatus.QUEUED:
            raise Refused("Claude has these words already.")
        decision = worded(stored.ask.body, turn.prompt)
        if decision is None:
            raise Refused("These words cannot answer this. Use the buttons of the card.")
        # Answer first: after a crash in between, the prompt is still queued, and people can see and cancel it.
        await self._answer(reply, control, decision)
        withdraw = WithdrawQueued(session_id=control.session_id, turn_id=turn.id)
        with suppress(IllegalMove, TurnNotFound):  # it went to Claude just now
            await self._face.core.perform(reply.actor, withdraw)

    # --- questions --------------------------------------------------------------------------------------

    async def _question(
        self, reply: Reply, control: Control, values: tuple[str, ...], text: str | None
    ) -> None:
        stored = await self._check_open(reply, control)
        body = stored.ask.body
        if not isinstance(body, QuestionBody):
            raise Refused("This is not a question.")
        match control.verb:
            case Verb.CHOOSE_ONE:
                label = _words(body, 0, control.detail)
                # Claude's tool takes answers by the questions' texts.
                await self._answer(reply, control, Answer({body.questions[0].text: label}))
            case Verb.CHOOSE_TEXT if text is None:
                number = control.number
                question = body.questions[number]
                asked = Asked(question.header or "Your answer", "Your answer", question.text)
                await reply.open_dialog(dialog(control, asked))
            case Verb.CHOOSE_TEXT:
                number = control.number
                key = own_words_key(number) if body.questions[number].multi_select else str(number)
                await self._pick(reply, control, body, key, [text or ""])
            case Verb.CHOOSE:
                number = control.number
                labels = [_words(body, number, each) for each in values]
                await self._pick(reply, control, body, str(number), labels)
            case _:
                await self._submit(reply, control, body)

    async def _pick(
        self, reply: Reply, control: Control, body: QuestionBody, key: str, words: list[str]
    ) -> None:
        """Remember the choice for one question. Once every question has one, answer the ask."""
        chosen = msgspec.json.encode([each for each in words if each]).decode()
        # One key of the stored object: two people may choose for two questions at once.
        await self._face.db.write([store_in_fact(picked_fact(control.subject), key, chosen)])
        picked = await load_picked(self._face.db, control.subject)
        if not needs_submit(body) and all(chosen_words(picked, n) for n in range(len(body.questions))):
            await self._submit(reply, control, body)
        else:
            self._face.view.changed(control.session_id)

    async def _submit(self, reply: Reply, control: Control, body: QuestionBody) -> None:
        picked = await load_picked(self._face.db, control.subject)
        answers: dict[str, str] = {}
        for number, question in enumerate(body.questions):
            words = chosen_words(picked, number)
            if not words:
                asked = escape_inline(question.header or question.text, 200)
                raise Refused(f"“{asked}” has no answer yet. Choose one first.")
            answers[question.text] = ", ".join(words)
        await self._answer(reply, control, Answer(answers))

    # --- reading ----------------------------------------------------------------------------------------

    async def _read(self, reply: Reply, control: Control) -> StoredAsk:
        wish = ReadAsk(session_id=control.session_id, ask_id=control.subject)
        return await self._face.core.perform(reply.actor, wish)

    async def _check_open(self, reply: Reply, control: Control) -> StoredAsk:
        """Return the ask. Raises `AlreadyDecided` if it is closed, `NotAllowed` if the actor may not answer."""
        stored = await self._read(reply, control)
        if stored.status is not AskStatus.OPEN:
            raise AlreadyDecided(control.subject, stored.decided_by)
        # Before a dialog opens: nobody writes a text that the core then refuses.
        await self._face.check(reply.actor, Action.APPROVE, control.session_id)
        return stored


def _words(body: QuestionBody, number: int, value: str) -> str:
    """Return the label for a select's value: a value is the choice's number, or the label itself."""
    choices = body.questions[number].choices
    if value.isdecimal() and int(value) < len(choices):
        return choices[int(value)].label
    return value
