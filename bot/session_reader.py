"""Read one session from the core, on behalf of the face itself."""

from collections.abc import Sequence

from api import Core, GetSession, ReadAsk, ReadAsks, ReadEvents, ReadTurn, ReadTurns, SessionInfo, TurnView
from bot.actors import VIEWER
from sessions.errors import SessionNotFound
from sessions.events import Numbered
from sessions.stored import StoredAsk, StoredTurn


class SessionReader:
    """Reads one session. Methods raise `SessionNotFound` if it was deleted."""

    def __init__(self, core: Core, session_id: str) -> None:
        self._core = core
        self._session_id = session_id

    async def info(self) -> SessionInfo:
        """Return the session's present state."""
        return await self._core.perform(VIEWER, GetSession(session_id=self._session_id))

    async def turn(self, turn_id: str, *, with_blocks: bool = True) -> TurnView:
        """Return one turn with uncut tool bodies, as live events have them. Raises `TurnNotFound`."""
        # `whole`: a result is worded by its lines, and a cut body would be counted as shorter than it is live.
        wish = ReadTurn(session_id=self._session_id, turn_id=turn_id, with_blocks=with_blocks, whole=True)
        return await self._core.perform(VIEWER, wish)

    async def turn_row(self, turn_id: str) -> StoredTurn:
        """Return one turn without its blocks. Raises `TurnNotFound`."""
        return (await self.turn(turn_id, with_blocks=False)).turn

    async def last_turns(self, limit: int) -> Sequence[StoredTurn]:
        """Return the last turns without their blocks, newest first."""
        wish = ReadTurns(session_id=self._session_id, limit=limit, with_blocks=False)
        return [view.turn for view in (await self._core.perform(VIEWER, wish)).turns]

    async def ask(self, ask_id: str) -> StoredAsk | None:
        """Return one ask; None if the session has none of this id."""
        try:
            return await self._core.perform(VIEWER, ReadAsk(session_id=self._session_id, ask_id=ask_id))
        except SessionNotFound:
            return None

    async def asks(self) -> Sequence[StoredAsk]:
        """Return every ask, oldest first."""
        return (await self._core.perform(VIEWER, ReadAsks(session_id=self._session_id))).asks

    async def events(self, after: int, limit: int) -> Sequence[Numbered]:
        """Return at most `limit` events numbered above `after`, oldest first."""
        wish = ReadEvents(session_id=self._session_id, after=after, limit=limit)
        return (await self._core.perform(VIEWER, wish)).events
