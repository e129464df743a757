"""Discord's side: channels, threads, messages, nonces that are known for a while. Outlives every bot.

`Chat` is what is durable there; `client.py` is how the bot reaches it, with everything that can go wrong on
the way.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.machine import wall_ms

GUILD = 1
BOT = 2
PEOPLE = (11, 12)
GENERAL = 100
_DISCORD_EPOCH_MS = 1_420_070_400_000
_NONCE_KNOWN_S = 180.0


@dataclass(eq=False)
class Post:
    """A message. `components` is what the API would give."""

    id: int
    channel_id: int
    author_id: int
    content: str
    components: list[dict[str, Any]] = field(default_factory=list)
    files: int = 0
    edited_ms: int | None = None
    mentions_bot: bool = False
    is_reply: bool = False

    @property
    def text(self) -> str:
        """Everything that a person reads."""
        return "\n".join([self.content, *(each["content"] for each in self.parts() if each.get("type") == 10)])

    def parts(self) -> Iterator[dict[str, Any]]:
        """All components, those within others too."""
        todo = list(self.components)
        while todo:
            part = todo.pop(0)
            yield part
            todo[:0] = part.get("components", [])

    def buttons(self, verb: str) -> list[str]:
        """The custom ids of controls with this verb that can be used."""
        return [
            each["custom_id"]
            for each in self.parts()
            if each.get("custom_id", "").startswith(f"v1:{verb}:") and not each.get("disabled")
        ]


@dataclass(eq=False)
class Room:
    """A channel or (with a parent) a thread."""

    id: int
    parent_id: int | None = None
    posts: dict[int, Post] = field(default_factory=dict)
    archived: bool = False

    @property
    def last_id(self) -> int | None:
        return max(self.posts, default=None)

    def from_bot(self) -> list[Post]:
        """Oldest first."""
        return [post for _, post in sorted(self.posts.items()) if post.author_id == BOT]


class Chat:
    """`now_s` is the loop's time; `tell` is called with every new message."""

    def __init__(self, now_s: Callable[[], float], tell: Callable[[Post], None]) -> None:
        self._now_s = now_s
        self._tell = tell
        self._count = 0
        self.rooms: dict[int, Room] = {GENERAL: Room(GENERAL)}
        self._nonces: dict[tuple[int, str], tuple[float, int]] = {}
        self.written = 0

    def now_ms(self) -> int:
        return wall_ms(self._now_s())

    def new_id(self) -> int:
        """A snowflake: later ones are greater."""
        self._count += 1
        return (self.now_ms() - _DISCORD_EPOCH_MS) << 22 | self._count

    @property
    def threads(self) -> list[Room]:
        return [room for room in self.rooms.values() if room.parent_id is not None]

    def write(self, room: Room, author_id: int, content: str, **facts: Any) -> Post:
        """A new message."""
        post = Post(self.new_id(), room.id, author_id, content, **facts)
        room.posts[post.id] = post
        room.archived = False
        self._tell(post)
        return post

    def write_once(self, room: Room, nonce: str | None, content: str, **facts: Any) -> Post:
        """A new message of the bot's, or the one that it sent under this nonce a moment ago."""
        if nonce is not None and (known := self._nonces.get((room.id, nonce))) is not None:
            at_s, post_id = known
            if self._now_s() - at_s < _NONCE_KNOWN_S and post_id in room.posts:
                return room.posts[post_id]
        post = self.write(room, BOT, content, **facts)
        self.written += 1
        if nonce is not None:
            self._nonces[room.id, nonce] = (self._now_s(), post.id)
        return post

    def edit(self, post: Post, **facts: Any) -> None:
        for name, value in facts.items():
            setattr(post, name, value)
        self.written += 1

    def open_thread(self, parent_id: int, post_id: int) -> Room | None:
        """The thread on a message; None if it has one already."""
        if post_id in self.rooms:
            return None
        self.rooms[post_id] = Room(post_id, parent_id)
        return self.rooms[post_id]

    # --- judging ---------------------------------------------------------------------------------------------

    def shown(self) -> dict[int, str]:
        """Return each message of the bot's in a thread, its controls included."""
        return {
            post.id: f"{post.text} {[each.get('custom_id') for each in post.parts() if 'custom_id' in each]}"
            for room in self.threads
            for post in room.from_bot()
        }

    def differences(self, before: dict[int, str]) -> Iterator[tuple[int, str | None, str | None]]:
        """Return the messages that changed: message, before, after."""
        after = self.shown()
        for post_id in sorted(before.keys() | after.keys()):
            if before.get(post_id) != after.get(post_id):
                yield post_id, before.get(post_id), after.get(post_id)
