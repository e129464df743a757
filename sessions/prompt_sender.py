"""Feeding one live CLI: the next prompt whenever it is idle, and parking it when nothing happens for long."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from faults import crash_point
from sessions import events as e
from sessions import rows
from sessions.claude.control import NotRewound, RewindRefusal
from sessions.driver import ImageFile
from sessions.errors import ClaudeUnavailable
from sessions.leaving import Departure
from sessions.model import Activity, Attachment, Blocker, Lifecycle, TurnId, TurnStatus
from sessions.parking import loses_nothing, may_be_parked
from sessions.retry_until_stored import until_stored
from sessions.state import QueuedTurn, Snapshot
from storage import StorageError

if TYPE_CHECKING:
    from sessions.host_run import HostRun
    from sessions.session import Session

log = logging.getLogger(__name__)

IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
SHORTAGE_RETRY_S = 5.0
"""How often a session that waits for free disk or memory looks again."""

_SHORTEST_PAUSE_S = 0.05
MAX_LOG_BYTES = 256 * 2**20
"""A session whose host has printed more is parked at its next idle; the log goes with the host."""

_STORAGE_RETRY_S = 1.0


class PromptSender:
    """Looks at the session's state whenever it changes and does the one thing that it calls for."""

    def __init__(self, run: "HostRun") -> None:
        self.context_is_stale = False
        self._run = run
        self._session = run.session
        self._around = run.session.around
        self._awake = asyncio.Event()
        self._said_shortage = False

    def wake(self) -> None:
        """Look again whether something is to be sent; while Claude works, nothing is."""
        snapshot = self._session.snapshot
        if snapshot.is_idle or snapshot.blocker is Blocker.USAGE_LIMIT:
            self._awake.set()

    async def run(self) -> None:
        """Send the next prompt whenever Claude is idle; park after a long silence. Never returns by itself."""
        while True:
            try:
                await self._send_next()
                pause_s = self._pause()
            except StorageError:
                log.exception("cannot store what is sent", extra={"session": self._session.id})
                pause_s = _STORAGE_RETRY_S
            try:
                async with asyncio.timeout(pause_s):
                    await self._awake.wait()
            except TimeoutError:
                if self._is_forgotten():
                    await until_stored(partial(self._park, "nothing happened for a while", may_be_parked))
            self._awake.clear()

    def _pause(self) -> float | None:
        """Seconds until something is due without an event: free disk, the end of a usage limit, parking."""
        snapshot = self._session.snapshot
        if self._said_shortage:
            return SHORTAGE_RETRY_S
        if snapshot.blocker is Blocker.USAGE_LIMIT and snapshot.limit_until_ms:
            left_s = (snapshot.limit_until_ms - self._around.clock.now_ms()) / 1000
            return max(_SHORTEST_PAUSE_S, left_s)
        if not may_be_parked(snapshot):
            return None
        return max(_SHORTEST_PAUSE_S, self._around.patience.idle_s - self._silent_s())

    def _silent_s(self) -> float:
        return self._around.clock.monotonic() - self._run.last_output

    def _is_forgotten(self) -> bool:
        return may_be_parked(self._session.snapshot) and self._silent_s() >= self._around.patience.idle_s

    async def _send_next(self) -> None:
        await self._reopen_limit_if_due()
        snapshot = self._session.snapshot
        if self._run.leaving.departure is not None or not snapshot.is_idle:
            return
        if self._run.log_bytes > MAX_LOG_BYTES and loses_nothing(snapshot):
            await self._park("its log was full; the next prompt begins a fresh one", loses_nothing)
        elif not snapshot.queue:
            await self._measure_if_stale()
        elif await self._has_room() and await self._has_rewound(snapshot.queue[0]):
            await self._send(snapshot.queue[0])

    async def _park(self, cause: str, if_still: Callable[[Snapshot], bool]) -> None:
        await self._run.leaving.leave(Departure(Lifecycle.PARKED, cause), if_still=if_still)

    async def _send(self, turn: QueuedTurn) -> None:
        """Hand `turn` to the CLI, if it still is the next one."""
        async with self._session.change() as draft:
            first = draft.snapshot.queue[0] if draft.snapshot.queue else None
            if first == turn and draft.snapshot.is_idle:
                draft.add(e.TurnSent(turn.turn_id, self._run.number))
                draft.send(turn.prompt_uuid, await prompt_line(self._session, turn.turn_id))
        crash_point("prompt-sent")

    async def _has_rewound(self, turn: QueuedTurn) -> bool:
        """Let the CLI forget what `turn` replaces; what it does not know is forgotten already."""
        if turn.rewind_to is None:
            return True
        newest = self._session.snapshot.last_prompt_uuid
        try:
            outcome = await self._run.control.rewind_conversation(turn.rewind_to, newest)
        except ClaudeUnavailable as error:
            refused = str(error)
        else:
            if not isinstance(outcome, NotRewound) or outcome.reason is RewindRefusal.TARGET_NOT_FOUND:
                return True
            log.warning("rewind refused", extra={"session": self._session.id, "reason": outcome.reason})
            refused = "Claude could not take the last answer back."
        async with self._session.change() as draft:
            if any(each.turn_id == turn.turn_id for each in draft.snapshot.queue):
                draft.add(e.TurnEnded(turn.turn_id, TurnStatus.FAILED, reason=refused))
        return False

    async def _has_room(self) -> bool:
        """Whether the disk has room for another turn: a CLI on a full disk drops lines silently."""
        shortage = await asyncio.to_thread(self._around.resources.disk_shortage)
        if shortage and not self._said_shortage:
            async with self._session.change() as draft:
                draft.add(e.Noticed("disk", shortage))
        self._said_shortage = bool(shortage)
        return not shortage

    async def _reopen_limit_if_due(self) -> None:
        if not self._limit_is_over(self._session.snapshot):
            return
        async with self._session.change() as draft:
            if self._limit_is_over(draft.snapshot):
                cause = "the usage limit opened again"
                draft.add(e.ActivityChanged(Activity.BLOCKED, Activity.IDLE, cause))

    def _limit_is_over(self, snapshot: Snapshot) -> bool:
        held_back = snapshot.blocker is Blocker.USAGE_LIMIT
        return held_back and self._around.clock.now_ms() >= snapshot.limit_until_ms

    async def _measure_if_stale(self) -> None:
        """After a turn: copy what the transcript has grown by, and ask how full the context is."""
        if not self.context_is_stale:
            return
        self.context_is_stale = False
        await keep_transcript(self._session)
        with suppress(ClaudeUnavailable):
            usage = await self._run.control.measure_context()
            async with self._session.change() as draft:
                known = (draft.snapshot.context_used, draft.snapshot.context_window)
                if known != (usage.used_tokens, usage.max_tokens):
                    draft.add(e.ContextMeasured(usage.used_tokens, usage.max_tokens))


async def keep_transcript(session: "Session") -> None:
    """Bring our copy of the session's transcript up to date; a disk that does not take it is logged."""
    snapshot = session.snapshot
    keep, work_directory = session.around.conversations.keep, Path(snapshot.work_directory)
    try:
        await asyncio.to_thread(keep, snapshot.conversation_id, work_directory)
    except OSError as error:
        log.warning("transcript not copied", extra={"session": session.id, "error": error.errno})


async def prompt_line(session: "Session", turn_id: TurnId) -> bytes:
    """The line that hands a stored prompt to the CLI, its pictures included."""
    turn = await rows.load_turn(session.around.db, turn_id)
    images = await asyncio.to_thread(_read_images, session, turn.attachments)
    return session.around.driver.prompt(turn.prompt_uuid, turn.prompt, turn.kind, images)


def _read_images(session: "Session", attachments: Sequence[Attachment]) -> list[ImageFile]:
    """The pictures among the attachments; one that is gone is left out (its name is in the prompt)."""
    root = Path(session.snapshot.work_directory)
    images: list[ImageFile] = []
    for each in attachments:
        if each.media_type in IMAGE_TYPES:
            with suppress(OSError):
                images.append(ImageFile(each.media_type, (root / each.path).read_bytes()))
    return images
