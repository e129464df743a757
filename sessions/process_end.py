"""Turn the end of a process into events of its session. Pure, and the same for every kind of end.

`HostEnded` is made only here. A host that ends without this event leaves its logs on the disk for ever.
"""

from collections.abc import Sequence
from typing import assert_never

import msgspec

from sessions import events as e
from sessions.leaving import Departure
from sessions.left_processes import sentence_about_ended
from sessions.model import LeftProcess, Lifecycle, TurnStatus
from sessions.promises import notices_about_promises
from sessions.state import Snapshot
from sessions.topics import Topic

_ASK_WITHDRAWN = "Claude's process ended before it was answered."


class Exited(msgspec.Struct, frozen=True):
    """The program of host `number` has ended. `trouble` is a sentence if it did not end as requested.

    `left` holds the processes that its tools had left running. They were ended, too.
    """

    number: int
    code: int | None
    trouble: str
    left: tuple[LeftProcess, ...] = ()


class NotStarted(msgspec.Struct, frozen=True):
    """The program could not be started; `why` is a sentence, shown under `topic`."""

    why: str
    topic: Topic = Topic.START_FAILED


class Lost(msgspec.Struct, frozen=True):
    """A host known from the last run has disappeared without a trace; `what` is a sentence."""

    what: str


class Outlived(msgspec.Struct, frozen=True):
    """Processes of the host outlived SIGKILL."""

    pids: tuple[int, ...]


class Broken(msgspec.Struct, frozen=True):
    """The session cannot go on as it is; `sentence` says why, under `topic`. Its host, if any, was ended."""

    topic: Topic
    sentence: str


class NoProcess(msgspec.Struct, frozen=True):
    """The session had no process when it was to leave it."""


ProcessEnd = Exited | NotStarted | Lost | Outlived | Broken | NoProcess


def events_at_end(
    snapshot: Snapshot, end: ProcessEnd, wished: Departure | None, *, takes_up_cut_turns: bool
) -> list[e.Event]:
    """Return the events for a session in state `snapshot` whose process came to `end`. `wished` is the request.

    `takes_up_cut_turns` is the policy for ends that nobody requested. Returns no events if the host's end was
    recorded already, or if the session has failed or ended.
    """
    if _is_settled(snapshot, end):
        return []
    sentence, target = _sentence(end), _lifecycle_after(snapshot, end, wished)
    is_wished = wished is not None and target is wished.leads_to
    has_trouble = isinstance(end, Exited) and end.trouble
    reason = wished.cause if wished is not None and is_wished and not has_trouble else sentence
    keeps = wished.keeps_turn if wished is not None else takes_up_cut_turns
    # Without a process, nothing cuts a turn that waits for the next one to take it up.
    keeps = target is Lifecycle.PARKED and (keeps or isinstance(end, NoProcess))
    # At every kind of end, even of a process that cannot be ended: nobody takes the answers any more.
    happened: list[e.Event] = [e.AskWithdrawn(ask.id, _ASK_WITHDRAWN) for ask in snapshot.asks]
    if snapshot.holds_slot:
        happened.append(e.HostEnded(snapshot.host, end.code if isinstance(end, Exited) else None, sentence))
    if target is Lifecycle.ENDED:
        happened += [e.TurnWithdrawn(turn.turn_id, reason) for turn in snapshot.queue]
    for turn in (snapshot.running, snapshot.sent):
        # A background turn has no prompt to send again, so it is never kept.
        if turn is not None and not (keeps and turn.prompt_uuid):
            status = TurnStatus.INTERRUPTED if is_wished else TurnStatus.CUT
            happened.append(e.TurnEnded(turn.turn_id, status, reason=reason))
    happened += _notice(end, wished)
    left = end.left if isinstance(end, Exited) else snapshot.left_running
    happened += notices_about_promises(snapshot.promised)
    if left:
        happened.append(e.Noticed(Topic.LEFT_RUNNING_ENDED, sentence_about_ended(left)))
    hands_over = wished is not None and is_wished and wished.hands_over
    happened.append(e.LifecycleChanged(snapshot.lifecycle, target, reason, handed_over=hands_over))
    return happened


def _is_settled(snapshot: Snapshot, end: ProcessEnd) -> bool:
    match end:
        case Exited():
            # A later host has begun since: this end belongs to the one before it.
            return not snapshot.holds_slot or snapshot.host != end.number
        case NoProcess():
            return snapshot.lifecycle is Lifecycle.ENDED
        case Broken():
            return snapshot.lifecycle in (Lifecycle.ENDED, Lifecycle.FAILED)
        case NotStarted() | Lost() | Outlived():
            return not snapshot.holds_slot
        case _:
            assert_never(end)


def _sentence(end: ProcessEnd) -> str:
    match end:
        case Exited():
            return end.trouble
        case NotStarted():
            return end.why
        case Lost():
            return end.what
        case Outlived():
            pids = ", ".join(map(str, end.pids))
            return f"Claude's process could not be ended (process {pids}); an admin has to look."
        case Broken():
            return end.sentence
        case NoProcess():
            return ""
        case _:
            assert_never(end)


def _lifecycle_after(snapshot: Snapshot, end: ProcessEnd, wished: Departure | None) -> Lifecycle:
    match end:
        # Whatever was wished: the process still runs, and people have to see that before anything follows.
        case Outlived():
            return Lifecycle.FAILED
        case Broken():
            return Lifecycle.ENDED if wished is not None and wished.ends else Lifecycle.FAILED
        case _ if wished is not None:
            return wished.leads_to
        case NotStarted():
            return Lifecycle.FAILED
        case Exited():
            # Without an exit code, the machine went down. A cut turn goes on before the CLI has answered, so it
            # may have ended the CLI. Both cases start again; the limit on starts ends the repetition.
            tries_again = end.code is None or snapshot.current is not None
            failed_to_start = snapshot.lifecycle is Lifecycle.STARTING and not tries_again
            return Lifecycle.FAILED if failed_to_start else Lifecycle.PARKED
        case Lost() | NoProcess():
            return Lifecycle.PARKED
        case _:
            assert_never(end)


def _notice(end: ProcessEnd, wished: Departure | None) -> Sequence[e.Noticed]:
    match end:
        case Exited() if end.trouble:
            return (e.Noticed(Topic.PROCESS_ENDED, end.trouble),)
        # Somebody who parked or ended the session meanwhile need not read that it did not start.
        case NotStarted() if wished is None:
            return (e.Noticed(end.topic, end.why),)
        case Outlived():
            return (e.Noticed(Topic.PROCESS_STUCK, _sentence(end)),)
        case Broken():
            return (e.Noticed(end.topic, end.sentence),)
        case _:
            return ()
