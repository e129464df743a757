"""The turns that a session brings along into a channel: the last ones as posts, all of them in a file.

The choice is stored with the session's place, in one transaction. So every start shows the same posts, and each
is made once.
"""

import msgspec

from api import Core, ExportSession, ReadTurns, SessionInfo
from bot.actors import VIEWER
from bot.bodies import File, Plain
from bot.rows import load_fact, store_fact
from bot.wording import counted
from sessions.model import TurnStatus
from sessions.stored import StoredTurn
from storage import Database, Statement

MOST_TURNS = 3
_LOOKED_AT = 20
_MOST_FILE_BYTES = 8 * 2**20  # Discord takes 10 MiB in a server without boosts
_NOT_OVER = (TurnStatus.QUEUED, TurnStatus.SENT, TurnStatus.RUNNING)


class History(msgspec.Struct, frozen=True):
    """The posts of channel `channel_id` about the time before the session came there, after event `as_of`.

    `turns` are shown as posts, oldest first; `is_all`: there were no others. `unfinished` are turns that were
    running or queued: their posts come as always, with the prompt that the channel did not see.
    """

    channel_id: int
    as_of: int = 0
    turns: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    is_all: bool = True

    @property
    def quoted(self) -> frozenset[str]:
        """The turns whose prompts nobody wrote in this channel."""
        return frozenset((*self.turns, *self.unfinished))

    def leaves_out(self, turn_id: str, at_event: int) -> bool:
        """Whether a turn that an event of that number is about was over before, and is only in the file."""
        return at_event <= self.as_of and turn_id not in self.quoted


async def history_of(core: Core, info: SessionInfo, channel_id: int) -> History | None:
    """Return what a channel should show of the session's turns so far; None if it had none."""
    page = await core.perform(VIEWER, ReadTurns(session_id=info.id, limit=_LOOKED_AT, with_blocks=False))
    near = [view.turn for view in page.turns if view.turn.status is not TurnStatus.WITHDRAWN]
    if not near:
        return None
    # Replaced answers would take the few places, and only say that they were replaced.
    over = _last_of_each_group([each for each in near if each.status not in _NOT_OVER])
    shown = tuple(each.id for each in reversed(over[:MOST_TURNS]))
    unfinished = tuple(each.id for each in near if each.status in _NOT_OVER)
    # A full page may have older turns behind it.
    is_all = len(over) <= MOST_TURNS and len(near) < _LOOKED_AT
    return History(channel_id, info.last_event, shown, unfinished, is_all=is_all)


def _last_of_each_group(newest_first: list[StoredTurn]) -> list[StoredTurn]:
    """Return the turns without answers that a later one replaces."""
    groups: dict[str, StoredTurn] = {}
    for turn in newest_first:
        groups.setdefault(turn.alternative_of or turn.id, turn)
    return list(groups.values())


def store_history(info: SessionInfo, history: History) -> list[Statement]:
    """Store `history`, after the row of the place. The session's last event counts as not shown yet.

    Otherwise a start after a kill would not look at the session.
    """
    return [
        store_fact(_fact(info.id), msgspec.json.encode(history).decode()),
        Statement(
            "UPDATE places SET shown_event = min(shown_event, ?) WHERE session_id = ?",
            (max(0, info.last_event - 1), info.id),
        ),
    ]


async def load_history(db: Database, session_id: str, channel_id: int) -> History:
    """Return what the session brought along into the channel; an empty history if it began there."""
    stored = await load_fact(db, _fact(session_id))
    history = msgspec.json.decode(stored, type=History) if stored else History(channel_id)
    # The fact may be that of an earlier move, to another channel.
    return history if history.channel_id == channel_id else History(channel_id)


def _fact(session_id: str) -> str:
    return f"history:{session_id}"


async def history_post(core: Core, session_id: str, history: History) -> Plain | None:
    """Return the post above the turns that were brought along; None if there are none."""
    if not history.turns:
        return None
    count = counted(len(history.turns), "turn")
    if history.is_all:
        return Plain(f"-# This session began elsewhere. So far it had {count}:")
    export = await core.perform(VIEWER, ExportSession(session_id=session_id))
    if len(export.data) > _MOST_FILE_BYTES:
        return Plain(f"-# This session began elsewhere. Its last {count} follow; *Export* has all of it.")
    file = File(export.name, export.data, "The session so far")
    return Plain(
        f"-# This session began elsewhere. Its last {count} follow; the file has all of it.", (), (file,)
    )
