"""A run of CLI lines played through everything that reads them, and what must hold whatever the lines are.

`play` is the session's own way without a process: parse, live text, interpret, apply, the statements that would
be written. `Store` writes them to a real database and reads all of it back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sessions import events as e
from sessions import rows
from sessions.claude import lines as c
from sessions.claude.control import context_usage, files_outcome, initialize_reply, rewind_outcome
from sessions.claude.parse import parse
from sessions.draft import Draft
from sessions.gaps import Watched
from sessions.interpreter import Moment, interpret
from sessions.live_text import LiveText
from sessions.model import Lifecycle, PermissionMode, SessionId, TurnId, TurnKind
from sessions.state import Snapshot, apply
from storage import Database

_AT_MS = 1_000
_snapshots = msgspec.json.Decoder(Snapshot)
_CREATED = e.SessionCreated("discord:1", "c", "", "", "", "/w", "", PermissionMode.DEFAULT)


class Broken(AssertionError):
    """A claim does not hold; the words say which."""


@dataclass
class Played:
    """The result of a run. `said` holds, for each line, the contents of the blocks that it added."""

    start: Snapshot
    draft: Draft
    said: list[list[Any]] = field(default_factory=list)
    bad: list[int] = field(default_factory=list)
    shown: str = ""


def play(session_id: SessionId, run: Sequence[bytes], leave_out: frozenset[int] = frozenset()) -> Played:
    """Play `run` but for the lines at `leave_out`; the others keep their places in the log."""
    draft = Draft(Snapshot(session_id), _AT_MS)
    draft.add(_CREATED)
    draft.add(e.LifecycleChanged(Lifecycle.PARKED, Lifecycle.STARTING, "corpus"))
    draft.add(e.HostStarted(1))
    draft.add(e.LifecycleChanged(Lifecycle.STARTING, Lifecycle.LIVE, "corpus"))
    played = Played(draft.snapshot, draft)
    live_text, watched, end = LiveText(), Watched(), 0
    for number, raw in enumerate(run):
        begins_at, end = end, end + len(raw) + 1
        played.said.append([])
        if number in leave_out:
            continue
        line = parse(raw)
        if isinstance(line, c.Unrecognized) and not line.recovered:
            played.bad.append(number)
        for each in (line, *line.recovered) if isinstance(line, c.Unrecognized) else (line,):
            live_text.read(each, begins_at)
            watched = watched.after(each)
            played.said[-1] += _happen(draft, each, end)
        running = draft.snapshot.running
        pieces = live_text.publish(session_id, running.turn_id if running else None, 0)
        played.shown += "".join(each.added for each in pieces)
    if not 0 <= live_text.replay_from(end) <= end:
        raise Broken("reading would begin outside the log")
    live_text.whole(session_id, TurnId(session_id), 0)
    return played


def _happen(draft: Draft, line: c.CliLine, end: int) -> list[Any]:
    """Apply `line`; the contents of the blocks that it adds by itself."""
    _send_what_is_read(draft, line)
    before = len(draft.numbered)
    draft.add_all(list(interpret(draft.snapshot, line, Moment(1, end, _AT_MS))))
    _read_reply(line)
    new = (each.event for each in draft.numbered[before:])
    is_own = not isinstance(line, c.TurnResult)
    return [event.block for event in new if isinstance(event, e.BlockAdded)] if is_own else []


def _send_what_is_read(draft: Draft, line: c.CliLine) -> None:
    """The recorded prompts are sent just before the CLI says that it has read them."""
    fresh = isinstance(line, c.PromptLifecycle) and line.state == "queued"
    if fresh and isinstance(line, c.PromptLifecycle) and draft.snapshot.current is None:
        number = draft.snapshot.next_turn
        turn_id = TurnId(f"{draft.snapshot.id} {number}")
        draft.add(e.TurnQueued(turn_id, number, TurnKind.PROMPT, "discord:1", "x", line.prompt_uuid, turn_id))
        draft.add(e.TurnSent(turn_id, 1))


def _read_reply(line: c.CliLine) -> None:
    if isinstance(line, c.ControlSucceeded):
        for read in (initialize_reply, context_usage, rewind_outcome, files_outcome):
            read(line)


def neighbours_are_untouched(session_id: SessionId, run: Sequence[bytes], mutants: frozenset[int]) -> Played:
    """Play `run` with and without its mutants. Raises `Broken` where a neighbour was applied otherwise.

    A line that is not understood changes nothing at all. One that is understood may change the state, but every
    block of every other line is there, in its order.
    """
    whole = play(session_id, run)
    if whole.bad:
        without = play(session_id, run, frozenset(whole.bad))
        if _numbered(without) != _numbered(whole) or without.shown != whole.shown:
            raise Broken("a line that is not understood changed how others are applied")
    without = play(session_id, run, mutants)
    for number, said in enumerate(without.said):
        if number not in mutants and said != whole.said[number]:
            raise Broken("a mutant changed the blocks of another line")
    return whole


def _numbered(played: Played) -> list[tuple[int, e.Event]]:
    return [(each.number, each.event) for each in played.draft.numbered]


async def is_stored_as_played(db: Database, played: Played) -> None:
    """Write all that `played` led to, and read it back. Raises `Broken` where it is something else."""
    draft, snapshot = played.draft, played.draft.snapshot
    await db.write(draft.statements(new_session=True))
    stored_state = await db.read_one("SELECT data FROM sessions WHERE id = ?", (snapshot.id,))
    if stored_state is None or _snapshots.decode(str(stored_state[0])) != snapshot:
        raise Broken("the stored state is not the state")
    again, after = Snapshot(snapshot.id), 0
    while page := await rows.load_events(db, snapshot.id, after=after):
        for each in page:
            again = apply(again, each.event, each.at_ms)
        after = page[-1].number
    if again != snapshot:
        raise Broken("the stored events do not add up to the state")
    stored: dict[str, list[Any]] = {}
    for turn in await rows.load_turns(db, snapshot.id, limit=100_000):
        stored[turn.id] = await rows.load_blocks(db, turn.id)
    if stored != _blocks(played):
        raise Broken("the stored blocks are not those that were said")
    await rows.load_asks(db, snapshot.id)


def _blocks(played: Played) -> Mapping[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for each in played.draft.numbered:
        match each.event:
            case e.TurnQueued(turn_id=turn_id) | e.BackgroundTurnStarted(turn_id=turn_id):
                found[turn_id] = []
            case e.BlockAdded():
                found[each.event.turn_id].append(each.event.block)
            case _:
                pass
    return found
