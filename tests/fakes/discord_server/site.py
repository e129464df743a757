"""The parts of one fake Discord in one place, so that routes and people share them. No behaviour of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from .clock import Clock
from .commands import Commands
from .interactions import Interactions
from .model import Json, Message
from .rate_limits import RateLimits, Refused
from .world import World

NONCE_REMEMBERED_S = 180.0


@dataclass(slots=True)
class Settings:
    """The choices of a test. `intents` are the privileged ones that the portal grants."""

    token: str = "fake-token"
    latency_s: float = 0.0
    message_content_intent: bool = True
    members_intent: bool = False
    presences_intent: bool = False
    heartbeat_interval_ms: int = 41_250
    session_starts_per_day: int = 1000
    resume_window_s: float = 90.0
    identify_every_s: float = 0.0
    file_limit_bytes: int = 10 * 1024 * 1024
    compress: bool = False

    @property
    def application_flags(self) -> int:
        """The portal's grants to a bot in few servers, as the application shows them."""
        granted = (
            (self.message_content_intent, 1 << 19),
            (self.members_intent, 1 << 15),
            (self.presences_intent, 1 << 13),
        )
        return sum(flag for holds, flag in granted if holds)


@dataclass(slots=True)
class Upload:
    """One file of a multipart request."""

    filename: str
    data: bytes
    content_type: str


@dataclass(slots=True)
class Call:
    """One REST request, read: path parameters, query, JSON body, and files by their number."""

    params: dict[str, str]
    query: dict[str, str]
    body: Json
    files: dict[int, Upload]
    # Bulk overwrites send a list; it is here and `body` is empty then.
    rows: list[Json] = field(default_factory=list)

    def id(self, name: str) -> int:
        """A snowflake out of the path; 0, which nothing has, when it is none."""
        value = self.params[name]
        return int(value) if value.isdigit() else 0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: object = None


class RateRefused(Exception):
    """Raised by a route whose own hidden limit is used up."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.message)
        self.refused = refused


class Nonces:
    """Which message a nonce made, for as long as Discord remembers it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._made: deque[tuple[float, tuple[int, str], Message]] = deque()

    def find(self, author_id: int, nonce: str) -> Message | None:
        """The message that this author made with this nonce in the last three minutes."""
        oldest = self._clock.now() - NONCE_REMEMBERED_S
        while self._made and self._made[0][0] < oldest:
            self._made.popleft()
        for _, key, message in self._made:
            if key == (author_id, nonce):
                return message
        return None

    def remember(self, author_id: int, nonce: str, message: Message) -> None:
        self._made.append((self._clock.now(), (author_id, nonce), message))


@dataclass(slots=True)
class Site:
    """One fake Discord's parts. `typing` is when each channel last saw the bot type."""

    clock: Clock
    settings: Settings
    world: World
    commands: Commands
    interactions: Interactions
    rate_limits: RateLimits
    nonces: Nonces
    gateway_url: str = ""
    typing: dict[int, float] = field(default_factory=dict)
    identifies_left: Callable[[], int] = lambda: 0


Handler = Callable[[Site, Call], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """One REST route. `open` routes need no bot token and count in no global limit: they carry their own."""

    method: str
    path: str
    handler: Handler
    open: bool = False

    @property
    def key(self) -> str:
        return f"{self.method} {self.path}"
