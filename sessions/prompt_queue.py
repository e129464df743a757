"""The waiting prompts of a session: add, edit, join, reorder and withdraw them.

A prompt is a turn from the moment it is queued. `prompt_sender.py` hands the first to the idle CLI.
"""

import uuid
from collections.abc import Sequence
from typing import Protocol

import msgspec
from msgspec.structs import replace

from sessions import events as e
from sessions.draft import Draft
from sessions.errors import IllegalMove, PromptRefused, TurnNotFound
from sessions.importing import read_what_was_said_elsewhere
from sessions.model import Attachment, TurnId, TurnKind, TurnStatus
from sessions.rows import count_blocks, find_requeued_turn, find_turn_by_origin, load_turn, load_turns
from sessions.session_port import SessionPort
from sessions.stored import StoredTurn
from sessions.title import title_from

# Must never change: the uuids by which the CLI knows what it has done are made from it.
PROMPT_NAMESPACE = uuid.UUID("5f0c9f0e-6f3b-5e0a-9d0b-0d7f1c2a4b61")
MAX_PROMPT_CHARS = 1_000_000
OWN_WAY = frozenset({"clear", "model", "exit", "resume", "login", "logout", "permissions"})
"""Claude's commands that would bypass the session. Refused: people use a command of ours, if there is one."""


class Placed(msgspec.Struct, frozen=True):
    """The place of a prompt: its turn, and how many prompts of this session come before it."""

    turn_id: TurnId
    place: int


class Sender(msgspec.Struct, frozen=True):
    """The author of a prompt, and the face's key for it. Two prompts with one key count as one."""

    author_id: str
    origin: str


class Prompt(msgspec.Struct, frozen=True):
    """A prompt to queue. `replaces` is the turn whose answer is asked for again, after `rewind_to`.

    A session without a title gets one from `title`, else from `content`. `looks`: the prompt surveys the
    project in plan mode; see `looking_closer.py`. It names no session.
    """

    kind: TurnKind
    content: str
    attachments: tuple[Attachment, ...] = ()
    front: bool = False
    replaces: TurnId | None = None
    rewind_to: str | None = None
    title: str = ""
    looks: bool = False


class QueueOwner(SessionPort, Protocol):
    """The session that the prompts wait for."""

    def refuse_if_ended(self, what: str) -> None:
        """Raise `IllegalMove` if the session has ended or is about to. `what` names the refused action."""
        ...

    def want_process(self) -> None:
        """Ask for a process if prompts wait and the session has no process."""
        ...


class PromptQueue:
    """The waiting prompts of one session. Every change goes through `Session.change`."""

    def __init__(self, session: QueueOwner) -> None:
        self._session = session
        self._db = session.around.db

    # --- coming in --------------------------------------------------------------------------------------

    async def add(self, prompt: Prompt, sender: Sender) -> Placed:
        """Queue `prompt`; a repeated origin makes no second turn. Raises `IllegalMove` after the end."""
        session = self._session
        # Before this prompt gets its number: the turns of the terminal came first.
        if session.snapshot.handed_over:
            await read_what_was_said_elsewhere(session)
        async with session.change() as draft:
            session.refuse_if_ended("Sending a prompt")
            # Under the lock: of two deliveries of one message at once, the second finds the turn of the first.
            known = await find_turn_by_origin(self._db, sender.origin)
            if known is not None:
                return self._place_of(known.id)
            # A prompt that came since the look at the queue would be sent first, and its answer rewound.
            if prompt.rewind_to is not None:
                self._refuse_if_busy()
            turn_id = TurnId(str(uuid.uuid5(PROMPT_NAMESPACE, f"turn {sender.origin}")))
            draft.add(_queued(draft, turn_id, prompt, sender))
            if prompt.looks:
                look = draft.snapshot.look
                draft.add(e.LookBegan(turn_id, draft.snapshot.mode if look is None else look.mode))
            elif not draft.snapshot.title and prompt.kind is TurnKind.PROMPT:
                draft.add(e.TitleChanged(title_from(prompt.title or prompt.content), by_person=False))
        session.want_process()
        return self._place_of(turn_id)

    async def add_again(self, sender: Sender) -> Placed:
        """Queue the last prompt once more, for another answer; see `Session.regenerate`."""
        # Before the look at the state: a repeat finds the session busy with the very turn that it asks for.
        if (known := await find_turn_by_origin(self._db, sender.origin)) is not None:
            return self._place_of(known.id)
        self._refuse_if_busy()
        turns = await load_turns(self._db, self._session.id)
        prompts = (turn for turn in turns if turn.kind is TurnKind.PROMPT)
        last = next((turn for turn in prompts if turn.status is not TurnStatus.WITHDRAWN), None)
        if last is None:
            raise TurnNotFound("")
        chosen = self._session.snapshot.goes_on_from
        followed = next((turn for turn in turns if turn.id == chosen), last)
        again = Prompt(
            last.kind,
            last.prompt,
            last.attachments,
            # All answers to one prompt name the first of them.
            replaces=last.alternative_of or last.id,
            rewind_to=followed.prompt_uuid,
        )
        return await self.add(again, sender)

    def _refuse_if_busy(self) -> None:
        if self._session.snapshot.current is not None or self._session.snapshot.queue:
            raise IllegalMove("Asking again", "busy")

    async def take_up_cut(self, sender: Sender) -> Placed | None:
        """Queue the last turn again if it was cut, else return None. A repeated origin changes nothing."""
        async with self._session.change() as draft:
            self._session.refuse_if_ended("Going on")
            turn_id = await find_requeued_turn(self._db, self._session.id, sender.origin)
            if turn_id is None:
                turn_id = await self._requeue_cut(draft, sender)
        if turn_id is None:
            return None
        self._session.want_process()
        return self._place_of(turn_id)

    async def _requeue_cut(self, draft: Draft, sender: Sender) -> TurnId | None:
        waiting = (TurnStatus.QUEUED, TurnStatus.WITHDRAWN)
        turns = await load_turns(self._db, self._session.id)
        turn = next((turn for turn in turns if turn.status not in waiting), None)
        if turn is None or turn.status is not TurnStatus.CUT:
            return None
        ordinal = await count_blocks(self._db, turn.id)
        # Under its old uuid: the CLI goes on with a prompt that was cut, and drops one that is done.
        draft.add(e.TurnRequeued(turn.id, turn.kind, turn.author_id, turn.prompt_uuid, ordinal, sender.origin))
        return turn.id

    def _place_of(self, turn_id: TurnId) -> Placed:
        snapshot = self._session.snapshot
        waiting = [turn.turn_id for turn in snapshot.queue]
        if turn_id not in waiting:
            return Placed(turn_id, 0)
        ahead = 1 if snapshot.current is not None else 0
        return Placed(turn_id, waiting.index(turn_id) + ahead)

    # --- while prompts wait --------------------------------------------------------------------------------

    async def edit(self, turn_id: TurnId, content: str) -> None:
        """Replace the text of a waiting prompt. Raises `PromptRefused`; `IllegalMove` once the prompt is sent.

        Claude's own commands are refused: their name and arguments were checked when they were queued.
        """
        check_prompt(content, ())
        async with self._session.change() as draft:
            await self._refuse_if_sent(turn_id, "Editing a prompt")
            if any(each.turn_id == turn_id and each.kind is TurnKind.COMMAND for each in draft.snapshot.queue):
                raise PromptRefused("A command cannot be edited. Withdraw it, and send another.")
            draft.add(e.TurnEdited(turn_id, content))

    async def withdraw(self, turn_id: TurnId, *, by: str) -> None:
        """Take a waiting prompt out of the queue. Raises `IllegalMove` once it is sent."""
        async with self._session.change() as draft:
            await self._refuse_if_sent(turn_id, what := "Withdrawing a prompt")
            # Without it, Claude would not know its last answer any more, and everybody would still see it.
            if turn_id == self._session.rewinds_for:
                raise IllegalMove(what, "already working on it")
            draft.add(e.TurnWithdrawn(turn_id, by))

    async def join(self, turn_ids: Sequence[TurnId], sender: Sender) -> Placed:
        """Join waiting prompts of one author into one prompt of that author. `sender` is the person who asks.

        The joined prompt comes next if one of them did, else last. A repeated origin makes no second prompt.
        Raises `IllegalMove` once one of them is sent; `PromptRefused` if they cannot be joined.
        """
        async with self._session.change() as draft:
            if (known := await find_turn_by_origin(self._db, sender.origin)) is not None:
                return self._place_of(known.id)
            for turn_id in turn_ids:
                await self._refuse_if_sent(turn_id, "Joining prompts")
            queue = draft.snapshot.queue
            turns = [await load_turn(self._db, each.turn_id) for each in queue if each.turn_id in turn_ids]
            joined = _joined(turns, front=bool(queue) and queue[0].turn_id in turn_ids)
            for turn in turns:
                # All in one change: after a kill, no text is lost or sent twice.
                draft.add(e.TurnWithdrawn(turn.id, sender.author_id))
            # A new turn: a later edit of one of the messages then meets a withdrawn turn and changes nothing.
            turn_id = TurnId(str(uuid.uuid5(PROMPT_NAMESPACE, f"turn {sender.origin}")))
            author = replace(sender, author_id=turns[0].author_id)
            draft.add(_queued(draft, turn_id, joined, author))
        self._session.want_process()
        return self._place_of(turn_id)

    async def move_to_front(self, turn_id: TurnId) -> None:
        """Move a waiting prompt to the front of the queue. Raises `IllegalMove` once it is sent."""
        async with self._session.change() as draft:
            await self._refuse_if_sent(turn_id, "Moving a prompt")
            draft.add(e.TurnMovedToFront(turn_id))

    async def _refuse_if_sent(self, turn_id: TurnId, what: str) -> None:
        if any(turn.turn_id == turn_id for turn in self._session.snapshot.queue):
            return
        if (await load_turn(self._db, turn_id)).session_id != self._session.id:
            raise TurnNotFound(turn_id)
        raise IllegalMove(what, "already working on it")


def _joined(turns: Sequence[StoredTurn], *, front: bool) -> Prompt:
    """The texts and attachments of `turns` as one prompt. Raises `PromptRefused`."""
    if len(turns) < 2:
        raise PromptRefused("There is nothing to join: at least two prompts have to wait.")
    if len({turn.author_id for turn in turns}) > 1:
        raise PromptRefused("Only prompts of one person can be joined.")
    if any(turn.kind is not TurnKind.PROMPT or turn.alternative_of is not None for turn in turns):
        raise PromptRefused("A command, or an answer that is asked for again, cannot be joined with others.")
    content = "\n\n".join(turn.prompt for turn in turns if turn.prompt.strip())
    attachments = tuple(each for turn in turns for each in turn.attachments)
    check_prompt(content, attachments)
    return Prompt(TurnKind.PROMPT, content, attachments, front=front)


def check_prompt(content: str, attachments: Sequence[Attachment]) -> None:
    """Raise `PromptRefused` if the prompt is empty or longer than `MAX_PROMPT_CHARS`."""
    if not content.strip() and not attachments:
        raise PromptRefused("The prompt is empty.")
    if len(content) > MAX_PROMPT_CHARS:
        raise PromptRefused(f"The prompt is longer than {MAX_PROMPT_CHARS:,} characters. Send it as a file.")


def _queued(draft: Draft, turn_id: TurnId, prompt: Prompt, sender: Sender) -> e.TurnQueued:
    return e.TurnQueued(
        turn_id=turn_id,
        number=draft.snapshot.next_turn,
        kind=prompt.kind,
        author_id=sender.author_id,
        prompt=prompt.content,
        # The CLI drops a uuid that it has done, so a line that is sent again makes no second turn (measured).
        prompt_uuid=str(uuid.uuid5(PROMPT_NAMESPACE, sender.origin)),
        origin=sender.origin,
        attachments=prompt.attachments,
        alternative_of=prompt.replaces,
        rewind_to=prompt.rewind_to,
        front=prompt.front,
    )
