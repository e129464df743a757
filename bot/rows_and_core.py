"""Answers that need both the bot's rows and the core: sessions to bring up to date, queued messages, old rows.

The bot reads no table of the core. It asks `Core` and compares, a page at a time.
"""

from collections.abc import AsyncIterator

from api import Core, ListQueuedTurns, ReadLastEvents
from bot.actors import VIEWER
from bot.delivery_rows import (
    forget_closed_rows,
    forget_controls_of,
    page_of_sessions_with_controls,
    unconfirmed_sessions,
)
from bot.inbox_rows import channel_of
from bot.rows import page_of_places
from storage import Database

_FACE_PREFIX = "discord:"
_MESSAGE_PREFIX = "message:"
_PAGE = 1000


async def sessions_behind(core: Core, db: Database) -> list[str]:
    """Return the sessions with events or posts that Discord may not show yet."""
    # Also without news: a post may be in Discord though its confirmation was lost.
    behind = await unconfirmed_sessions(db)
    after = ""
    while page := await page_of_places(db, after, _PAGE):
        after = page[-1].session_id
        last = await core.perform(VIEWER, ReadLastEvents(session_ids=tuple(each.session_id for each in page)))
        behind |= {each.session_id for each in page if each.shown_event < last.numbers.get(each.session_id, 0)}
    return sorted(behind)


async def queued_messages(core: Core, db: Database) -> AsyncIterator[tuple[int, int]]:
    """Yield channel and id of each Discord message whose prompt is queued."""
    for turn in (await core.perform(VIEWER, ListQueuedTurns())).turns:
        external = turn.origin.removeprefix(_FACE_PREFIX)
        if turn.origin.startswith(_FACE_PREFIX) and external.startswith(_MESSAGE_PREFIX):
            channel_id = await channel_of(db, external)
            if channel_id is not None:
                yield channel_id, int(external.removeprefix(_MESSAGE_PREFIX))


async def forget_old_rows(core: Core, db: Database, before_ms: int) -> None:
    """Delete inbox rows closed before a time, and the controls of deleted sessions."""
    await db.write(forget_closed_rows(before_ms))
    after = ""
    while page := await page_of_sessions_with_controls(db, after, _PAGE):
        after = page[-1]
        # Controls have no foreign key: some, such as those of a list, belong to no session.
        known = (await core.perform(VIEWER, ReadLastEvents(session_ids=tuple(page)))).numbers.keys()
        if gone := [each for each in page if each not in known]:
            await db.write(forget_controls_of(gone))
