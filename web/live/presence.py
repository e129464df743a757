"""Presence: the people who look at a session in a visible tab now. An open socket alone does not count."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Presence:
    """The people who look at each session. `tab` is any object that stands for one open tab."""

    def __init__(self) -> None:
        self._there: dict[str, dict[object, str]] = {}
        self._people: dict[str, Counter[str]] = {}
        self._watching: dict[str, set[asyncio.Event]] = {}

    def come(self, session_id: str, tab: object, user_id: str) -> None:
        """Note that a tab shows the session and is visible."""
        there = self._there.setdefault(session_id, {})
        # A tab tells that it is visible again and again.
        if tab not in there:
            there[tab] = user_id
            people = self._people.setdefault(session_id, Counter())
            people[user_id] += 1
            # A second tab of the same person changes nothing for the others.
            if people[user_id] == 1:
                self._tell(session_id)

    def go(self, session_id: str, tab: object) -> None:
        """Note that a tab is hidden or closed. No error if it was not there."""
        there = self._there.get(session_id, {})
        if (user_id := there.pop(tab, None)) is None:
            return
        people = self._people[session_id]
        people[user_id] -= 1
        if not people[user_id]:
            del people[user_id]
            self._tell(session_id)
        if not there:
            del self._there[session_id], self._people[session_id]

    def others(self, session_id: str, user_id: str) -> tuple[str, ...]:
        """Return who looks at the session beside `user_id`, each once, in the order in which they came."""
        return tuple(each for each in self._people.get(session_id, ()) if each != user_id)

    @contextmanager
    def watched(self, session_id: str, changed: asyncio.Event) -> Iterator[None]:
        """Set `changed` at each change of the session's people, inside the block; the caller clears it."""
        self._watching.setdefault(session_id, set()).add(changed)
        try:
            yield
        finally:
            watching = self._watching[session_id]
            watching.discard(changed)
            if not watching:
                del self._watching[session_id]

    def _tell(self, session_id: str) -> None:
        for changed in self._watching.get(session_id, ()):
            changed.set()
