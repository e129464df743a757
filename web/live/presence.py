"""Presence: who looks at a session in a visible tab, now. An open socket alone is no presence."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Presence:
    """The people who look at each session. `tab` is any object that stands for one open tab."""

    def __init__(self) -> None:
        self._there: dict[str, dict[object, str]] = {}
        self._watching: dict[str, set[asyncio.Event]] = {}

    def come(self, session_id: str, tab: object, user_id: str) -> None:
        """Note that a tab shows the session and is visible."""
        there = self._there.setdefault(session_id, {})
        if there.get(tab) != user_id:
            there[tab] = user_id
            self._tell(session_id)

    def go(self, session_id: str, tab: object) -> None:
        """Note that a tab is hidden or closed. No error if it was not there."""
        there = self._there.get(session_id, {})
        if there.pop(tab, None) is not None:
            self._tell(session_id)
        if not there:
            self._there.pop(session_id, None)

    def others(self, session_id: str, user_id: str) -> tuple[str, ...]:
        """Return who looks at the session beside `user_id`, each once, sorted."""
        return tuple(sorted(set(self._there.get(session_id, {}).values()) - {user_id}))

    @contextmanager
    def watched(self, session_id: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set at each change of the session's people; the caller clears it."""
        changed = asyncio.Event()
        self._watching.setdefault(session_id, set()).add(changed)
        try:
            yield changed
        finally:
            watching = self._watching[session_id]
            watching.discard(changed)
            if not watching:
                del self._watching[session_id]

    def _tell(self, session_id: str) -> None:
        for changed in self._watching.get(session_id, ()):
            changed.set()
