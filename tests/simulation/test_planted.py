"""The simulation can fail: each defect that is planted here is found within the first seeds.

Some are the mistakes that the design excludes, some are defects that the simulation has found in this code.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import bot.messages
import bot.prompts
from bot.arrivals import Arrivals
from bot.inbox import Inbox
from bot.inbox_rows import InboxStatus, close_inbox_row
from bot.rows import new_nonce
from bot.shown_session import ShownSession
from bot.traffic import Urgency
from bot.transport import DiscordTransport
from sessions import rows
from sessions.claude.stream import StreamDriver
from sessions.events import LifecycleChanged, TurnQueued
from sessions.host_run import HostRun
from sessions.leaving import Departure, Leaving
from sessions.live_text import LiveText
from sessions.model import Allow, Ask, Decision, Deny, Lifecycle
from sessions.output_lines import ReadLine
from sessions.process_link import ProcessLink
from sessions.session import Session
from storage import StorageError
from tests.simulation.runs import run_seeds

WITHIN = 200
RARE_WITHIN = 5_000
Plant = Callable[[pytest.MonkeyPatch], None]


def a_new_nonce_at_every_try(patch: pytest.MonkeyPatch) -> None:
    create = DiscordTransport.create

    async def forgetful(self: DiscordTransport, *args: Any, nonce: str, **more: Any) -> Any:
        return await create(self, *args, nonce=new_nonce(), **more)

    patch.setattr(DiscordTransport, "create", forgetful)


def the_offset_is_stored_before_the_lines(patch: pytest.MonkeyPatch) -> None:
    apply = HostRun._apply

    async def hasty(self: HostRun, lines: Sequence[ReadLine]) -> None:
        end, session = lines[-1].end, self.session
        await session.around.db.write([rows.host_applied(session.id, self.number, end, end)])
        await apply(self, lines)

    patch.setattr(HostRun, "_apply", hasty)


def the_offset_is_not_stored_with_the_lines(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(HostRun, "_note_progress", lambda *_: None)


def answers_are_turned_round(patch: pytest.MonkeyPatch) -> None:
    answer = StreamDriver.answer

    def wrong(self: StreamDriver, ask: Ask, decision: Decision) -> bytes:
        return answer(self, ask, Deny("no") if isinstance(decision, Allow) else Allow())

    patch.setattr(StreamDriver, "answer", wrong)


def the_mark_moves_before_the_row_is_stored(patch: pytest.MonkeyPatch) -> None:
    take = Arrivals.take

    async def hasty(self: Arrivals, message: Any) -> None:
        await self._inbox.note_seen(message.guild.id, message.channel.id, message.id)
        await take(self, message)

    patch.setattr(Arrivals, "take", hasty)


def a_message_is_closed_before_it_is_dealt_with(patch: pytest.MonkeyPatch) -> None:
    async def hasty(self: Inbox, row: Any) -> None:
        await self._db.write([close_inbox_row(row.external, InboxStatus.DONE, self._now_ms())])
        await self._acted_on(row)

    patch.setattr(Inbox, "_deal_with", hasty)


def a_thread_without_a_session_is_nobodys(patch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> bool:
        return False

    patch.setattr(bot.messages, "is_being_opened", never)
    patch.setattr(bot.prompts, "is_being_opened", never)


def text_of_a_dead_process_stays(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LiveText, "end", lambda _: None)


def a_line_that_the_disk_refused_waits(patch: pytest.MonkeyPatch) -> None:
    async def never(_: HostRun) -> None:
        await asyncio.Event().wait()

    patch.setattr(HostRun, "write_later", never)


def a_busy_database_stops_the_inbox(patch: pytest.MonkeyPatch) -> None:
    deal_with = Inbox._deal_with

    async def brittle(self: Inbox, row: Any) -> None:
        try:
            await deal_with(self, row)
        except StorageError as error:
            raise RuntimeError("the worker ends") from error

    patch.setattr(Inbox, "_deal_with", brittle)


def a_park_that_cannot_be_stored_is_half_done(patch: pytest.MonkeyPatch) -> None:
    leave = Leaving.leave

    async def stubborn(self: Leaving, departure: Departure) -> None:
        try:
            await leave(self, departure)
        except StorageError:
            self._wishes.append(departure)
            raise

    patch.setattr(Leaving, "leave", stubborn)


def a_process_is_forgotten_when_parked_before_it_is_found(patch: pytest.MonkeyPatch) -> None:
    leave = ProcessLink.leave

    async def hasty(self: ProcessLink, departure: Departure) -> None:
        session = self._session
        if self.run is None and session.snapshot.lifecycle is Lifecycle.LIVE:
            async with session.change() as draft:
                draft.add(LifecycleChanged(Lifecycle.LIVE, departure.leads_to, departure.cause))
        await leave(self, departure)

    patch.setattr(ProcessLink, "leave", hasty)


def prompts_are_queued_without_asking_for_a_process(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Session, "want_process", lambda _: None)


def a_turn_has_its_place_when_it_is_queued(patch: pytest.MonkeyPatch) -> None:
    happens = ShownSession._turn_happens

    def hasty(self: ShownSession, event: Any) -> None:
        happens(self, event)
        if isinstance(event, TurnQueued):
            self._mark(f"turn:{event.turn_id}", Urgency.FINAL)

    patch.setattr(ShownSession, "_turn_happens", hasty)


PLANTS: list[Plant] = [
    a_new_nonce_at_every_try,
    the_offset_is_not_stored_with_the_lines,
    answers_are_turned_round,
    the_mark_moves_before_the_row_is_stored,
    a_message_is_closed_before_it_is_dealt_with,
    a_thread_without_a_session_is_nobodys,
    a_busy_database_stops_the_inbox,
    prompts_are_queued_without_asking_for_a_process,
]
RARE: list[Plant] = [
    the_offset_is_stored_before_the_lines,
    a_turn_has_its_place_when_it_is_queued,
    a_line_that_the_disk_refused_waits,
    text_of_a_dead_process_stays,
    a_park_that_cannot_be_stored_is_half_done,
    a_process_is_forgotten_when_parked_before_it_is_found,
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_defect_is_found(monkeypatch: pytest.MonkeyPatch, plant: Plant) -> None:
    plant(monkeypatch)
    assert is_found(WITHIN), "no seed noticed"


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("plant", RARE, ids=lambda plant: plant.__name__)
def test_a_planted_defect_that_seldom_shows_is_found(monkeypatch: pytest.MonkeyPatch, plant: Plant) -> None:
    plant(monkeypatch)
    assert is_found(RARE_WITHIN), "no seed noticed"


def is_found(seeds: int) -> bool:
    """Whether one of the first seeds breaks a rule."""
    return any(each.broken for each in run_seeds(range(seeds)))
