"""Commands that talk with Claude: prompts, the queue of them, the running turn, asks."""

import msgspec

from api.access import Action
from api.command import Nothing, SessionCommand
from sessions.model import Ask, Attachment, Decision, TurnId


class Accepted(msgspec.Struct, frozen=True):
    """A prompt was taken: its turn, and how many prompts of the session come first."""

    turn_id: TurnId
    place: int


class Stopped(msgspec.Struct, frozen=True):
    """Whether something ran that was interrupted."""

    was_running: bool


class FilesChanged(msgspec.Struct, frozen=True):
    """Files that were, or would be, put back; `done` says which. `refused` is a sentence if they cannot be."""

    paths: tuple[str, ...]
    insertions: int
    deletions: int
    done: bool
    refused: str = ""


class SendMessage(SessionCommand[Accepted], frozen=True, tag="send_message", kw_only=True):
    """Queue a prompt. `front` lets it be the next.

    Raises `PromptRefused`, `IllegalMove` if the session has ended, `LimitReached` if the budget is used up.
    """

    action = Action.PROMPT
    reply = Accepted
    content: str
    origin: str
    attachments: tuple[Attachment, ...] = ()
    front: bool = False


class RunCommand(SessionCommand[Accepted], frozen=True, tag="run_command", kw_only=True):
    """Queue one of Claude's own slash commands, such as `compact`. Raises as `SendMessage`.

    `PromptRefused` also stands for one that the conversation does not offer, or that has a way of its own here.
    """

    action = Action.PROMPT
    reply = Accepted
    name: str
    origin: str
    arguments: str = ""


class Continue(SessionCommand[Accepted], frozen=True, tag="continue", kw_only=True):
    """Let a cut turn go on, or ask Claude to continue. Raises as `SendMessage`."""

    action = Action.PROMPT
    reply = Accepted
    origin: str


class Regenerate(SessionCommand[Accepted], frozen=True, tag="regenerate", kw_only=True):
    """Drop the last answer and ask again.

    Raises `IllegalMove` while a turn runs or waits, `TurnNotFound` if there is no answer yet, `LimitReached`.
    """

    action = Action.PROMPT
    reply = Accepted
    origin: str


class EditQueued(SessionCommand[Nothing], frozen=True, tag="edit_queued", kw_only=True):
    """Give a waiting prompt another text. Raises `PromptRefused`, `IllegalMove` once it is sent."""

    action = Action.PROMPT
    reply = Nothing
    turn_id: str
    content: str


class WithdrawQueued(SessionCommand[Nothing], frozen=True, tag="withdraw_queued", kw_only=True):
    """Take a waiting prompt out of the queue. Raises `IllegalMove` once it is sent."""

    action = Action.PROMPT
    reply = Nothing
    turn_id: str


class JoinQueued(SessionCommand[Accepted], frozen=True, tag="join_queued", kw_only=True):
    """Make one prompt of waiting ones of the same author, in the order of the queue.

    It is the next one if one of them was, else the last.
    The same `origin` again is the same prompt. Raises `IllegalMove` once one of them is sent, `PromptRefused`.
    """

    action = Action.PROMPT
    reply = Accepted
    turn_ids: tuple[str, ...]
    origin: str


class MoveToFront(SessionCommand[Nothing], frozen=True, tag="move_to_front", kw_only=True):
    """Let a waiting prompt be the next. Raises `IllegalMove` once it is sent."""

    action = Action.PROMPT
    reply = Nothing
    turn_id: str


class SendNow(SessionCommand[Nothing], frozen=True, tag="send_now", kw_only=True):
    """Interrupt what runs and send a waiting prompt next. Raises `IllegalMove` once it is sent."""

    action = Action.PROMPT
    reply = Nothing
    turn_id: str


class TryNow(SessionCommand[Nothing], frozen=True, tag="try_now", kw_only=True):
    """Send the next prompt although a usage limit is said to be reached; no-op for a session that is asleep."""

    action = Action.PROMPT
    reply = Nothing


class Interrupt(SessionCommand[Stopped], frozen=True, tag="interrupt", kw_only=True):
    """Stop the running turn; process and partial text stay."""

    action = Action.PROMPT
    reply = Stopped


class RewindFiles(SessionCommand[FilesChanged], frozen=True, tag="rewind_files", kw_only=True):
    """Put back what a turn and all after it changed in files; with `dry_run` only say what that would be.

    Wakes the session. Raises `TurnNotFound`, `IllegalMove` while a turn runs, `ClaudeUnavailable`.
    """

    action = Action.PROMPT
    reply = FilesChanged
    turn_id: str
    dry_run: bool = True


class AnswerAsk(SessionCommand[Ask], frozen=True, tag="answer_ask", kw_only=True):
    """Decide an ask; the first decision wins. Raises `AlreadyDecided`, `WrongAnswer`."""

    action = Action.APPROVE
    reply = Ask
    ask_id: str
    decision: Decision


PromptingCommand = (
    SendMessage
    | RunCommand
    | Continue
    | Regenerate
    | EditQueued
    | WithdrawQueued
    | JoinQueued
    | MoveToFront
    | SendNow
    | TryNow
    | Interrupt
    | RewindFiles
    | AnswerAsk
)
"""The commands of this file."""
