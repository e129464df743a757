"""Adopt living hosts without a row, as after the database was lost or restored from a backup.

They are never killed. The session gets the id that its host was launched for, the whole output log is read, and
only an admin sees the session. No prompt is invented: Claude's words without one appear as background work.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from backends.base import Backend, Host, HostGone, HostRef
from sessions import events as e
from sessions import rows
from sessions.claude.launch import conversation_of, resumed_conversation_of
from sessions.draft import Draft
from sessions.errors import SessionNotFound, SessionUnreadable
from sessions.host_run import HostRun
from sessions.model import Lifecycle, PermissionMode, SessionId
from sessions.process_keeper import ProcessKeeper
from sessions.session import Session
from sessions.stored import HostStatus, StoredHost
from sessions.title import title_from
from sessions.topics import Topic

log = logging.getLogger(__name__)

NOBODY = "adopted:nobody"
"""The owner of an adopted session: only admins reach it until they share it."""

_ADOPTED = "Claude was found running here; the bridge had no record of it."


async def adopt_strangers(
    strangers: Sequence[HostRef],
    backend: Backend,
    keeper: ProcessKeeper,
    load: Callable[[SessionId], Awaitable[Session]],
    make: Callable[[SessionId], Session],
) -> None:
    """Take over living hosts without a row. Call it before anything is restored or started."""
    for ref in strangers:
        try:
            host = await backend.attach(ref)
        # It ended, and was removed, after it was listed.
        except HostGone:
            continue
        session_id = SessionId(host.session_id)
        try:
            session, is_new = await load(session_id), False
        except SessionNotFound:
            session, is_new = make(session_id), True
        # Nothing is written over a damaged row: an admin may still repair it.
        except SessionUnreadable:
            continue
        known = session.snapshot.host
        # A host with a row, or with a later one behind it, is no stranger: its end just was not noticed here.
        if host.number < known or await rows.load_hosts(session.around.db, [(session_id, host.number)]):
            continue
        if session.snapshot.holds_slot:
            # Neither is ended: which one has the conversation is for an admin to decide.
            log.warning("unknown host beside a known one", extra={"session": session_id, "host": host.number})
            continue
        await _adopt(session, host, is_new=is_new)
        keeper.rejoin(session, _run(session, host))


async def _adopt(session: Session, host: Host, *, is_new: bool) -> None:
    spent = await asyncio.to_thread(_spent_before, session, host)
    async with session.change(new_session=is_new) as draft:
        if is_new:
            _introduce(draft, host)
        draft.add(e.Noticed(Topic.ADOPTED, _ADOPTED))
        draft.add(e.LifecycleChanged(draft.snapshot.lifecycle, Lifecycle.STARTING, _ADOPTED))
        draft.add(e.HostStarted(host.number))
        # After `HostStarted`, which sets the running total to zero.
        if spent:
            draft.add(e.CostCarriedOver(spent))
        # In one transaction with the session: killed before it, the next start finds the same stranger.
        draft.extra.append(rows.insert_host(session.id, host.number, draft.at_ms))
        draft.extra.append(rows.host_launched(session.id, host.number, host.ref))
    log.warning("adopted", extra={"session": session.id, "host": host.number})


def _introduce(draft: Draft, host: Host) -> None:
    launched = host.launched()
    draft.add(
        e.SessionCreated(
            user_id=NOBODY,
            channel_id=f"adopted:{host.session_id}",
            key="",
            title=title_from(launched.title) or "Adopted session",
            project="",
            work_directory=str(launched.cwd),
            model="",
            # The real mode comes with the `init` line of the next turn.
            mode=PermissionMode.DEFAULT,
        )
    )
    if conversation_id := conversation_of(launched.argv):
        draft.add(e.ConversationChanged(conversation_id, "adopt"))


def _spent_before(session: Session, host: Host) -> float:
    """Return the saved costs that the process counts from. While it lives, the CLI saves no newer ones."""
    launched = host.launched()
    resumed = resumed_conversation_of(launched.argv)
    return session.around.conversations.saved_cost_usd(resumed, launched.cwd) if resumed else 0.0


def _run(session: Session, host: Host) -> HostRun:
    # From byte 0: no line of its log is stored. Without rows of inputs, the next line goes behind all that the
    # input log has.
    run = HostRun(session, host, StoredHost(host.number, host.ref, HostStatus.LIVE, 0, 0), ())
    session.process.join(run)
    return run
