"""Keeps the folders of sessions up to date while the bridge runs: after turns, titles and restores."""

import logging

from service.parts import ServiceParts
from sessions.errors import SessionError
from sessions.events import Event, LifecycleChanged, Numbered, TitleChanged, TurnEnded, TurnFilesCounted
from sessions.model import Lifecycle
from storage import StorageError

log = logging.getLogger(__name__)

_TOLD = (TurnEnded, TurnFilesCounted, TitleChanged, LifecycleChanged)


async def keep_folders(parts: ServiceParts) -> None:
    """Write a session's folder anew after each change of its content; never returns.

    A missed change is no loss: the next one, a look at the folder, or the end writes all of it.
    """
    bus = parts.manager.bus
    subscription = bus.subscribe(None, only_durable=True)
    try:
        while True:
            items = [each for each in await subscription.take() if isinstance(each, Numbered)]
            changed = {each.session_id for each in items if isinstance(each.event, _TOLD)}
            over = {each.session_id for each in items if _is_end(each.event)}
            for session_id in changed:
                await _keep(parts, session_id, is_over=session_id in over)
    finally:
        bus.unsubscribe(subscription)


def _is_end(event: Event) -> bool:
    return isinstance(event, LifecycleChanged) and event.new is Lifecycle.ENDED


async def _keep(parts: ServiceParts, session_id: str, *, is_over: bool) -> None:
    from sessions.rows.folders import load_folder  # a start has no use for it

    try:
        if await load_folder(parts.manager.db, session_id) is None:
            return
        from service.session_folders import refresh  # most sessions have no folder

        if is_over:
            # A rule or the emergency stop ended it. An end that somebody asked for archives its folder itself.
            from service.ending import archive_ended

            await archive_ended(parts, session_id)
        await refresh(parts, session_id)
    except (SessionError, StorageError) as error:
        log.warning("folder not written", extra={"session": session_id, "why": type(error).__name__})
