"""A unit of a channel's posts: what is rendered and sent together, and how urgently it waits for its turn."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bot.bodies import PostWish
from bot.pace import Change
from bot.posting import Posts
from bot.traffic import Urgency


@dataclass(slots=True, eq=False)
class Unit:
    """Posts that are rendered together. `number` is its place in the channel's order.

    `render` returns the posts as they should be now, or raises `SessionGone`; `posts` are the existing ones.
    `every_s` is the time between two rounds of `STATUS`. `waits_for`: the kind of the next step, if the
    channel's bucket had no place for it. `grows`: the unit was last shown as growing text.
    """

    name: str
    number: int
    posts: Posts
    render: Callable[[], Awaitable[Sequence[PostWish]]]
    clean: Callable[[], Awaitable[None]] | None = None
    every_s: float = 0.0
    waits_for: Change | None = None
    grows: bool = False
    urgency: Urgency | None = None
    not_before: float = 0.0
    broken_until: float = 0.0
    last_round: float = float("-inf")

    @property
    def key(self) -> tuple[str, str]:
        """The session's id and the unit's name: unique in the channel."""
        # By the name alone, one of two sessions in a channel would
        # keep the other's status card from being sent.
        return self.posts.session_id, self.name

    @property
    def dirty(self) -> bool:
        """Whether it waits to be sent."""
        return self.urgency is not None

    def waits_already(self, urgency: Urgency) -> bool:
        """Whether it waits to be sent without a delay, and is at least so urgent."""
        return self.urgency is not None and self.urgency <= urgency and not self.not_before

    def raise_to(self, urgency: Urgency) -> None:
        """Make it at least so urgent."""
        # A more urgent change may take a place of the bucket that is kept free for it.
        if self.urgency is not None and urgency < self.urgency:
            self.waits_for = None
        self.urgency = urgency if self.urgency is None else min(urgency, self.urgency)

    def take_urgency(self) -> Urgency:
        """Return the urgency, and clear it: the unit no longer waits."""
        urgency, self.urgency, self.waits_for = self.urgency, None, None
        return Urgency.STATUS if urgency is None else urgency
