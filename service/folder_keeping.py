"""Keeps the folders of sessions up to date while the bridge runs: after turns, titles and restores."""

import logging

from service.parts import ServiceParts
from sessions.errors import FolderRefused
from sessions.events import Numbered, TitleChanged, TurnEnded, TurnFilesCounted
from storage import StorageError

log = logging.getLogger(__name__)

_TOLD = (TurnEnded, TurnFilesCounted, TitleChanged)


async def keep_folders(parts: ServiceParts) -> None:
    """Write a session's folder anew when what it shows has changed; never returns.

    A missed change is no loss: the next one, a look at the folder, or the end writes all of it.
    """
    bus = parts.manager.bus
    subscription = bus.subscribe(None, only_durable=True)
    try:
        while True:
            items = [each for each in await subscription.take() if isinstance(each, Numbered)]
            changed = {each.session_id for each in items if isinstance(each.event, _TOLD)}
            for session_id in changed:
                await _keep(parts, session_id)
    finally:
        bus.unsubscribe(subscription)


async def _keep(parts: ServiceParts, session_id: str) -> None:
    from sessions.rows.folders import load_folder  # a start has no use for it

    try:
        if await load_folder(parts.manager.db, session_id) is None:
            return
        from service.session_folders import refresh  # most sessions have no folder

        await refresh(parts, session_id)
    except (FolderRefused, StorageError) as error:
        log.warning("folder not written", extra={"session": session_id, "why": type(error).__name__})
