"""Commands that talk with Claude: prompts, the queue, the running turn, asks."""

import msgspec

from api.access import Action
from api.command import Nothing, SessionCommand
from sessions.model import Ask, Attachment, Decision, TurnId


class Accepted(msgspec.Struct, frozen=True):
    """A prompt was accepted: its turn, and how many prompts of the session come first."""

    turn_id: TurnId
    place: int


class Stopped(msgspec.Struct, frozen=True):
    """Whether a turn was running and got interrupted."""

    was_running: bool


class FilesChanged(msgspec.Struct, frozen=True):
    """Files that were restored if `done`, or would be. `refused` is a sentence if they cannot be restored."""

    paths: tuple[str, ...]
    insertions: int
    deletions: int
    done: bool
    refused: str = ""


class SendMessage(SessionCommand[Accepted], frozen=True, tag="send_message", kw_only=True):
    """Queue a prompt; `front` puts it first.

    A session without a title gets one from `title`, else from `content`.

    Raises `PromptRefused`, `IllegalMove` if the session has ended, `LimitReached` if the budget is used up.
    """

    action = Action.PROMPT
    reply = Accepted
    content: str
    origin: str
    attachments: tuple[Attachment, ...] = ()
    front: bool = False
    title: str = ""


class RunCommand(SessionCommand[Accepted], frozen=True, tag="run_command", kw_only=True):
    """Queue one of Claude's own slash commands, such as `compact`. Raises the errors of `SendMessage`.

    Raises `PromptRefused` also if the conversation does not offer it, or if the API has a command for it.
    """

    action = Action.PROMPT
    reply = Accepted
    name: str
    origin: str
    arguments: str = ""


class LookCloser(SessionCommand[Accepted], frozen=True, tag="look_closer", kw_only=True):
    """Queue a read-only turn in which Claude surveys the project; new conversations are told its answer.

    It runs in plan mode; then the session has its own mode again. Raises `IllegalMove` while Claude works,
    `LimitReached` if the budget is used up.
    """

    action = Action.PROMPT
    reply = Accepted
    origin: str


class Continue(SessionCommand[Accepted], frozen=True, tag="continue", kw_only=True):
    """Continue a cut turn, or else ask Claude to continue. Raises the errors of `SendMessage`."""

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
    """Replace the text of a queued prompt. Raises `PromptRefused`, `IllegalMove` once it is sent."""

    action = Action.PROMPT
    reply = Nothing
    turn_id: str
    content: str


class WithdrawQueued(SessionCommand[Nothing], frozen=True, tag="withdraw_queued", kw_only=True):
    """Remove a prompt from the queue. Raises `IllegalMove` once it is sent."""

    action = Action.PROMPT
    reply = Nothing
    turn_id: str


class JoinQueued(SessionCommand[Accepted], frozen=True, tag="join_queued", kw_only=True):
    """Join queued prompts of one author into a single prompt, in the order of the queue.

    If one of them was next, the result is next; otherwise it is last. A repeated `origin` returns the same
    prompt. Raises `IllegalMove` once one of them is sent, `PromptRefused`.
    """

    action = Action.PROMPT
    reply = Accepted
    turn_ids: tuple[str, ...]
    origin: str


class MoveToFront(SessionCommand[Nothing], frozen=True, tag="move_to_front", kw_only=True):
    """Put a queued prompt first. Raises `IllegalMove` once it is sent."""

    action = Action.PROMPT
    reply = Nothing
    turn_id: str


class SendNow(SessionCommand[Nothing], frozen=True, tag="send_now", kw_only=True):
    """Interrupt the running turn and send a queued prompt next. Raises `IllegalMove` once it is sent."""

    action = Action.PROMPT
    reply = Nothing
    turn_id: str


class TryNow(SessionCommand[Nothing], frozen=True, tag="try_now", kw_only=True):
    """Send the next prompt although a usage limit was reported; does nothing for a parked session."""

    action = Action.PROMPT
    reply = Nothing


class Interrupt(SessionCommand[Stopped], frozen=True, tag="interrupt", kw_only=True):
    """Stop the running turn; its process and the partial text stay."""

    action = Action.PROMPT
    reply = Stopped


class RewindFiles(SessionCommand[FilesChanged], frozen=True, tag="rewind_files", kw_only=True):
    """Put back the files that the session changed in a turn and later; with `dry_run` only report them.

    Wakes the session. Raises `TurnNotFound`, `IllegalMove` while a turn runs, `ClaudeUnavailable`.
    """

    action = Action.PROMPT
    reply = FilesChanged
    turn_id: str
    # A call that leaves it out changes no file.
    dry_run: bool = True


class AnswerAsk(SessionCommand[Ask], frozen=True, tag="answer_ask", kw_only=True):
    """Decide an ask; the first decision wins. Raises `AlreadyDecided`, `WrongAnswer`."""

    # More than PROMPT: an answer lets a command run, or a rule hold from now on.
    action = Action.APPROVE
    reply = Ask
    ask_id: str
    decision: Decision


PromptingCommand = (
    SendMessage
    | LookCloser
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
