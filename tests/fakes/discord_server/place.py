"""A channel or thread as a test sees it: what is in it, waiting for what comes, and its text for review."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from . import places
from .model import Channel, Message, MessageType, Overwrite, User
from .site import Site
from .snapshot import render

T = TypeVar("T")
TYPING_SHOWS_S = 10.0
DEFAULT_WAIT_S = 45.0  # a start of Claude takes half of it where both cores do other work
_SYSTEM = frozenset(
    {
        MessageType.CHANNEL_NAME_CHANGE,
        MessageType.PINNED,
        MessageType.THREAD_CREATED,
        MessageType.THREAD_STARTER,
    }
)


class NeverHappened(AssertionError):
    """The awaited change did not come; the message shows the channel as it is."""


class Place:
    """A view on one channel; several of them on the same channel are the same."""

    def __init__(self, site: Site, channel: Channel) -> None:
        self._site = site
        self.model = channel

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and other.model.id == self.model.id

    def __hash__(self) -> int:
        return hash(self.model.id)

    def __repr__(self) -> str:
        return f"Place(#{self.name})"

    @property
    def id(self) -> int:
        return self.model.id

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def exists(self) -> bool:
        return self.model.id in self._site.world.channels

    @property
    def messages(self) -> list[Message]:
        """The messages of people and bots, oldest first, without Discord's own lines and ephemeral ones."""
        return [one for one in self.model.messages.values() if one.type not in _SYSTEM]

    @property
    def last(self) -> Message:
        """The newest of `messages`. Raises `IndexError` when there is none."""
        return self.messages[-1]

    @property
    def from_bot(self) -> list[Message]:
        """The messages of the bot under test, oldest first."""
        return [one for one in self.messages if one.author.id == self._site.world.bot.id]

    def ephemeral_for(self, user: User) -> list[Message]:
        """The messages that only `user` sees here, oldest first."""
        return [one for one in self.model.ephemeral if one.ephemeral_to == user.id]

    @property
    def threads(self) -> list[Place]:
        """The threads of this channel, oldest first."""
        world = self._site.world
        return [Place(self._site, one) for one in world.channels.values() if one.parent_id == self.id]

    @property
    def archived(self) -> bool:
        return self.model.thread is not None and self.model.thread.archived

    @property
    def bot_is_typing(self) -> bool:
        """Whether people see the bot typing now."""
        since = self._site.typing.get(self.id)
        return since is not None and self._site.clock.now() - since < TYPING_SHOWS_S

    async def wait_for(self, predicate: Callable[[Place], T | None], timeout_s: float = DEFAULT_WAIT_S) -> T:
        """Wait until `predicate` of this place answers something true, and return that.

        It is asked again after every change. Raises `NeverHappened` with the channel's text.
        """
        try:
            return await self._site.world.until(lambda: predicate(self) or None, timeout_s)
        except TimeoutError:
            raise NeverHappened(f"not within {timeout_s} s in:\n{self.snapshot()}") from None

    async def wait_for_message(
        self, predicate: Callable[[Message], object] | str, timeout_s: float = DEFAULT_WAIT_S
    ) -> Message:
        """Wait for a message of the bot that fits (a string: whose text has it); of several the oldest."""
        fits = (lambda one: predicate in one.text) if isinstance(predicate, str) else predicate
        return await self.wait_for(
            lambda place: next((one for one in place.from_bot if fits(one)), None), timeout_s
        )

    async def wait_for_thread(
        self, predicate: Callable[[Place], object] = lambda thread: True, timeout_s: float = DEFAULT_WAIT_S
    ) -> Place:
        """Wait for a thread of this channel that fits."""
        return await self.wait_for(
            lambda place: next((t for t in place.threads if predicate(t)), None), timeout_s
        )

    def archive(self, *, locked: bool = False) -> None:
        """Archive this thread, as time or a moderator would."""
        places.set_archived(self._site.world, self.model, archived=True, locked=locked)

    def allow(self, target: User | int, *, allow: int = 0, deny: int = 0) -> None:
        """Set the overwrite of a user, or of a role given by id (the guild's own id means everyone)."""
        is_role = isinstance(target, int)
        target_id = target if isinstance(target, int) else target.id
        places.set_overwrite(self._site.world, self.model, Overwrite(target_id, is_role, allow, deny))

    def delete(self) -> None:
        """Delete the channel and its threads."""
        places.delete_channel(self._site.world, self.model)

    def snapshot(self, viewer: User | None = None) -> str:
        """The channel as readable text, as `viewer` sees it (None: without anybody's ephemeral messages)."""
        return render(self._site.world, self.model, viewer)
