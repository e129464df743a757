"""Recover every session that had a process, or waited for one, when the last owner of the core stopped.

The functions of normal running do the work: a host that still exists is read from the stored offset, a missing
one is recorded as ended. A session that cannot be restored becomes failed and does not stop the others.
"""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

from backends.base import Backend, BackendError, HostGone, HostRef
from sessions import rows
from sessions.ended_hosts import remove_ended_hosts
from sessions.host_run import HostRun
from sessions.model import Lifecycle
from sessions.process_end import Lost
from sessions.process_keeper import ProcessKeeper
from sessions.retry_until_stored import until_stored
from sessions.rows import StoredInput
from sessions.session import Session
from sessions.stored import HostStatus, StoredHost
from storage import Database

log = logging.getLogger(__name__)

_ATTACH_S = 10.0
_END_S = 2.0


async def recover(db: Database, backend: Backend, keeper: ProcessKeeper, sessions: Sequence[Session]) -> None:
    """Re-attach to every known host, adopt interrupted launches, and ask for processes for waiting sessions.

    Returns when all are attached, or after `_ATTACH_S`. Earlier, a request to park a session or answer its ask
    would not find the process.
    """
    lost = [each for each in sessions if each.run is None]  # the others were adopted just before
    held = [each for each in lost if each.snapshot.holds_slot]
    waiting = [each for each in lost if not each.snapshot.holds_slot]
    places = [(each.id, each.snapshot.host) for each in held]
    # One query for all sessions, not one for each: a start may find a thousand hosts.
    hosts, inputs = await rows.load_hosts(db, places), await rows.load_inputs(db, places)
    restoring: list[asyncio.Task[None]] = []
    for session, place in zip(held, places, strict=True):
        stored = hosts.get(place)
        if stored is not None and stored.ref is None:
            # The owner died before it stored the address. Perhaps the host has ended, its log unread.
            stored = _with_ref(stored, await backend.find(session.id, stored.number))
        # Wait while the disk is full: that is no reason to fail the session.
        restore = until_stored(partial(_restore, backend, keeper, session, stored, inputs.get(place, ())))
        restoring.append(keeper.spawn(restore, session))
    for session in waiting:
        # A failed session waits for a prompt of a person: a restart is no reason to try again.
        if session.snapshot.lifecycle is not Lifecycle.FAILED:
            keeper.wants_process(session)
    if restoring:
        await asyncio.wait(restoring, timeout=_ATTACH_S)


async def end_survivors(backend: Backend) -> int:
    """End every living host of `backend`, even of another bridge process; return how many there were."""
    survivors = await backend.survivors()
    for ref in survivors:
        try:
            await (await backend.attach(ref)).kill(_END_S)
        except BackendError:
            log.exception("left-over not ended")
    return len(survivors)


async def _restore(
    backend: Backend,
    keeper: ProcessKeeper,
    session: Session,
    stored: StoredHost | None,
    inputs: Sequence[StoredInput],
) -> None:
    if stored is None or stored.ref is None:
        await _record_lost_host(keeper, session, "Claude's process had not been started yet.")
        return
    try:
        host = await backend.attach(stored.ref)
    except HostGone:
        await _record_lost_host(keeper, session, "Claude's process and its log are gone.")
        return
    if stored.status is not HostStatus.LIVE:
        async with session.change() as draft:
            draft.extra.append(rows.host_launched(session.id, stored.number, stored.ref))
    run = HostRun(session, host, stored, inputs)
    # Before its task begins: a request to park the session must find the process.
    session.process.join(run)
    keeper.rejoin(session, run)


async def _record_lost_host(keeper: ProcessKeeper, session: Session, what: str) -> None:
    """Record a host that left no trace. The conversation goes on from Claude's own transcript."""
    await session.process.record_end(Lost(what))
    snapshot = session.snapshot
    if snapshot.lifecycle is Lifecycle.PARKED and (snapshot.queue or snapshot.current):
        keeper.wants_process(session)
    # Without this, each interrupted launch would leave a directory that every later start has to look at.
    await remove_ended_hosts(session)


def _with_ref(stored: StoredHost, ref: HostRef | None) -> StoredHost:
    return StoredHost(stored.number, ref, stored.status, stored.applied, stored.replay_from)
