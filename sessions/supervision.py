"""Watch for conditions without an event: asks that stay open, and a Claude without a sign of life.

One task checks all sessions every few seconds. It decides nothing that the session could decide itself.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from backends.base import Host
from sessions import events as e
from sessions.errors import SessionError
from sessions.left_processes import left_process
from sessions.model import (
    TIMEOUT_ACTOR,
    Activity,
    AskId,
    Blocker,
    Deny,
    Lifecycle,
    Postpone,
)
from sessions.parking import may_be_given_up
from sessions.session import Session
from sessions.state import OpenAsk
from sessions.topics import Topic

log = logging.getLogger(__name__)

_DAY_S = 86_400.0
# For each second of silence. An idle CLI takes less than 0.01 (measured); a program at work takes more.
_QUIET_CPU_S = 0.05
_ANSWERED_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Vigilance:
    """Times in seconds; None means never. After `ask_again_s` of silence Claude is asked for its state."""

    round_s: float = 5.0
    ask_again_s: float = 45.0  # a long-running tool is silent for up to 30 s
    no_progress_s: float | None = 900.0
    ask_timeout_s: float | None = None
    ask_park_s: float = 3600.0
    schedule_keep_s: float = 86_400.0
    first_daily_s: float = 60.0


class Supervisor:
    """Checks all sessions that have a process. `is_wanted` says whether another session waits for the place.

    `each_round` runs once in every round, `daily` a minute after the start and then once a day.
    """

    def __init__(
        self,
        vigilance: Vigilance,
        sessions: Callable[[], Sequence[Session]],
        is_wanted: Callable[[Session], bool],
        daily: Callable[[], Awaitable[object]],
        each_round: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._vigilance = vigilance
        self._sessions = sessions
        self._is_wanted = is_wanted
        self._asked_again: dict[str, float] = {}
        self._cpu_s: dict[str, float] = {}
        self._each_round = each_round
        self._daily = daily
        self._reminded: set[AskId] = set()
        self._first_seen: dict[AskId, tuple[float, float]] = {}

    async def run(self) -> None:
        """Check all sessions, round after round, until cancelled. An error of one session is only logged."""
        async with asyncio.TaskGroup() as tasks:
            # Both catch all that fails inside: otherwise the end of one would cancel the other.
            tasks.create_task(self._go_round(), name="rounds")
            tasks.create_task(self._do_daily(), name="daily")

    async def _do_daily(self) -> None:
        await asyncio.sleep(self._vigilance.first_daily_s)
        while True:
            try:
                await self._daily()
            except Exception:
                log.exception("daily work failed")
            await asyncio.sleep(_DAY_S)

    async def _go_round(self) -> None:
        while True:
            await asyncio.sleep(self._vigilance.round_s)
            for session in self._sessions():
                try:
                    await self._look_after(session)
                # Expected: the ask was answered, or the process ended, between the look and the act.
                except SessionError as error:
                    log.info("could not be looked after", extra={"session": session.id, "why": str(error)})
                except Exception:
                    log.exception("supervision failed", extra={"session": session.id})
            self._forget_closed_asks()
            try:
                if self._each_round is not None:
                    await self._each_round()
            except Exception:
                log.exception("work of the round failed")

    async def _look_after(self, session: Session) -> None:
        snapshot = session.snapshot
        if session.run is None:
            self._cpu_s.pop(session.id, None)
            self._asked_again.pop(session.id, None)
        elif snapshot.asks:
            await self._look_after_asks(session)
        elif snapshot.activity is Activity.WORKING:
            await self._ask_where_it_stands(session)
            await self._look_for_progress(session)
        # Claude says that it waits, and no ask is open: a full disk may have lost the line of the ask.
        elif snapshot.activity is Activity.ASKING:
            await self._ask_where_it_stands(session)
        elif may_be_given_up(snapshot):
            await self._look_after_place(session)
        else:
            self._cpu_s.pop(session.id, None)

    async def _ask_where_it_stands(self, session: Session) -> None:
        """Ask Claude for its state, once per silence. A full disk may have lost an ask or a turn's end."""
        run, now_s = session.run, session.around.clock.monotonic()
        if run is None or session.snapshot.lifecycle is not Lifecycle.LIVE:
            return
        silent_since = run.last_output
        is_new = self._asked_again.get(session.id) != silent_since
        if is_new and now_s - silent_since >= self._vigilance.ask_again_s:
            self._asked_again[session.id] = silent_since
            await run.greet(in_silence_s=_ANSWERED_WITHIN_S)
            # Its answer to us does not show that it goes on with its work.
            run.last_output = silent_since

    async def _look_after_asks(self, session: Session) -> None:
        timeout_s = self._vigilance.ask_timeout_s
        for ask in session.snapshot.asks:
            open_s = self._open_s(session, ask)
            if timeout_s is not None and open_s >= timeout_s:
                note = f"Nobody answered within {_minutes(timeout_s)}."
                # An MCP server hears that nobody answered: declining would be the no of a person.
                late = Postpone() if ask.of_server else Deny(note)
                await session.answer(ask.id, late, by=TIMEOUT_ACTOR)
            elif timeout_s is not None and open_s >= timeout_s / 2 and ask.id not in self._reminded:
                # In memory only: at worst a restart reminds people once more.
                self._reminded.add(ask.id)
                async with session.change() as draft:
                    left = _minutes(timeout_s - open_s)
                    then = "goes unanswered" if ask.of_server else "counts as denied"
                    draft.add(e.Noticed(Topic.ASK_REMINDER, f"{left} left to answer. Then it {then}."))
        asks = session.snapshot.asks
        if asks and self._is_wanted(session) and self._open_s(session, asks[0]) >= self._vigilance.ask_park_s:
            await session.park("its place was needed; Claude asks again when it goes on", keep_turn=True)

    async def _look_after_place(self, session: Session) -> None:
        """Park a session that keeps its place only for schedules or processes left running, after its time."""
        run, now_ms = session.run, session.around.clock.now_ms()
        # They may have ended by themselves, and no event tells that.
        if run is not None and session.snapshot.left_running:
            await run.note_left_running()
        snapshot = session.snapshot
        if not (snapshot.left_running or snapshot.promised):
            return
        if now_ms - snapshot.last_activity_ms >= 1000 * self._vigilance.ask_park_s and self._is_wanted(session):
            await session.park_if(may_be_given_up, "its place was needed for another session")
        elif not snapshot.left_running:
            newest_ms = max(each.made_ms for each in snapshot.promised)
            if now_ms - newest_ms >= 1000 * self._vigilance.schedule_keep_s:
                await session.park_if(may_be_given_up, "what Claude had planned was waited for long enough")

    def _open_s(self, session: Session, ask: OpenAsk) -> float:
        """Seconds that the ask is open. From our first look on, the monotonic clock counts."""
        clock = session.around.clock
        # The wall clock only for the time before this start, since no other clock outlives a process. It may be
        # set while the ask is open, which must not make an ask late.
        before_s = max(0.0, (clock.now_ms() - ask.opened_ms) / 1000)
        age_s, seen_at = self._first_seen.setdefault(ask.id, (before_s, clock.monotonic()))
        return age_s + clock.monotonic() - seen_at

    def _forget_closed_asks(self) -> None:
        still_open = {ask.id for session in self._sessions() for ask in session.snapshot.asks}
        self._reminded &= still_open
        self._first_seen = {each: seen for each, seen in self._first_seen.items() if each in still_open}

    async def _look_for_progress(self, session: Session) -> None:
        """Tell the session if there was no output, CPU time or tool at work for a long time."""
        run, limit_s = session.run, self._vigilance.no_progress_s
        if run is None or limit_s is None:
            return
        silent_s = session.around.clock.monotonic() - run.last_output
        # Most silences are short, and to read a process tree costs more than to compare two times.
        if silent_s < limit_s / 2:
            self._cpu_s.pop(session.id, None)
            return
        usage = await asyncio.to_thread(run.host.usage)
        before_s = self._cpu_s.setdefault(session.id, usage.cpu_s)
        # CPU time or a tool at work is a sign of life, too, though nothing is printed.
        if usage.cpu_s - before_s > _QUIET_CPU_S * silent_s or await _is_tool_at_work(session, run.host):
            self._cpu_s[session.id] = usage.cpu_s
            run.last_output = session.around.clock.monotonic()
            return
        if silent_s >= limit_s:
            async with session.change() as draft:
                sentence = f"Claude has shown no sign of life for {_minutes(silent_s)}. Stop it, or wait on."
                # Under the lock: lines that came meanwhile may have ended the turn.
                activity = draft.snapshot.activity
                if activity is Activity.WORKING:
                    draft.add(e.ActivityChanged(activity, Activity.BLOCKED, sentence, Blocker.NO_PROGRESS))
                    draft.add(e.Noticed(Topic.NO_PROGRESS, sentence))


async def _is_tool_at_work(session: Session, host: Host) -> bool:
    """Whether a process of a tool runs that did not run before this turn."""
    # Not by a number of processes: a sandbox and each MCP server add some, which run without any tool.
    found = await asyncio.to_thread(host.left_running)
    return any(left_process(each) not in session.snapshot.left_running for each in found)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
