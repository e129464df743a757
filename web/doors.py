"""The ways in: login links, browsers' logins, tokens for programs; made, looked up and taken back here.

Every secret has 256 random bits, is shown once, and is stored as its SHA-256. That hash needs no salt and no
slow function: those protect passwords, which people choose.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto

from storage import Database, UuidMaker
from web import rows
from web.principals import DoorKind, Login, Principal, Scope, Token

CODE_MS = 5 * 60_000
IDLE_MS = 30 * 24 * 3_600_000
"""A login ends after this time without a request."""
LONGEST_MS = 90 * 24 * 3_600_000
"""A login ends after this time, however often it is used."""
LONGEST_TOKEN_DAYS = 365
_USED_EVERY_MS = 60_000
_TOKEN_MARK = "cb_"  # noqa: S105 - a mark by which secret scanners can find tokens
_BROWSER_CHARS = 200


@dataclass(frozen=True, slots=True)
class NewLogin:
    """A fresh login and the secret for its cookie."""

    login: Login
    cookie: str


@dataclass(frozen=True, slots=True)
class NewToken:
    """A fresh token and its secret, which is shown once."""

    token: Token
    secret: str


class Watcher(Enum):
    """A kind of long request, which ends with its login or token. Each kind is counted for itself."""

    SOCKET = auto()
    STREAM = auto()
    DOWNLOAD = auto()
    AGENT_CALL = auto()


@dataclass(frozen=True, slots=True)
class _Watch:
    """A long request, and what ends it."""

    by: Watcher
    then: Callable[[], None]


class Doors:
    """Makes, finds and ends the ways in. `now_ms` is the time in milliseconds since 1970."""

    def __init__(self, database: Database, now_ms: Callable[[], int]) -> None:
        self._db = database
        self.now_ms = now_ms
        self._ids = UuidMaker()
        self._ended: dict[str, dict[asyncio.Event, _Watch]] = {}

    async def make_code(self, user_id: str) -> str:
        """Return a code that logs one browser in as `user_id` within `CODE_MS`."""
        code, now = secrets.token_urlsafe(32), self.now_ms()
        # Swept with each new code, so that no task of its own has to wake for it.
        expired = rows.forget_expired(now, now - IDLE_MS, now - LONGEST_MS)
        await self._db.write([*expired, rows.insert_code(_hash(code), user_id, now + CODE_MS)])
        return code

    async def user_of_code(self, code: str) -> str:
        """Return the user id that `code` logs in, or an empty string; the code stays valid."""
        return await rows.find_code(self._db, _hash(code), self.now_ms())

    async def redeem(self, code: str, browser: str) -> NewLogin | None:
        """Spend `code` and return a new login; None if it is unknown, spent or too old."""
        now = self.now_ms()
        # The code goes first: of two browsers one gets it. A kill before the next write costs a new link, and
        # can never leave a code that logs in twice.
        (spent,) = await self._db.write([rows.spend_code(_hash(code), now)])
        if not spent.rows:
            return None
        # A new secret for each login: a cookie that somebody planted in the browser before is never taken over.
        cookie = secrets.token_urlsafe(32)
        login = Login(self._ids.make(), str(spent.rows[0][0]), browser[:_BROWSER_CHARS], now, now)
        await self._db.write([rows.insert_login(login, _hash(cookie))])
        return NewLogin(login, cookie)

    async def principal_of_cookie(self, cookie: str) -> Principal | None:
        """Return the sender with this cookie, or None if the login does not exist or is too old."""
        login = await rows.find_login(self._db, _hash(cookie))
        now = self.now_ms()
        if login is None or _is_too_old(login, now):
            return None
        # At most one write a minute: a page of the dashboard sends many requests.
        if now - login.used_ms > _USED_EVERY_MS:
            await self._db.write([rows.note_login_used(login.id, now)])
        return Principal(DoorKind.LOGIN, login.id, login.user_id, Scope.ADMIN, login.made_ms)

    async def principal_of_token(self, secret: str) -> Principal | None:
        """Return the sender with this token, or None if the token does not exist or has expired."""
        now = self.now_ms()
        token = await rows.find_token(self._db, _hash(secret), now)
        if token is None:
            return None
        if token.used_ms is None or now - token.used_ms > _USED_EVERY_MS:
            await self._db.write([rows.note_token_used(token.id, now)])
        return Principal(DoorKind.TOKEN, token.id, token.user_id, token.scope, token.made_ms)

    async def is_open(self, principal: Principal) -> bool:
        """Whether the sender's login or token still exists and is not too old: nothing tells of its old age."""
        now = self.now_ms()
        if principal.kind is DoorKind.TOKEN:
            return await rows.has_token(self._db, principal.id, now)
        login = await rows.load_login(self._db, principal.id)
        return login is not None and not _is_too_old(login, now)

    async def make_token(self, user_id: str, name: str, scope: Scope, days: int) -> NewToken:
        """Return a new token that is valid for `days` days, at most `LONGEST_TOKEN_DAYS`."""
        now, days = self.now_ms(), min(max(days, 1), LONGEST_TOKEN_DAYS)
        secret = f"{_TOKEN_MARK}{secrets.token_urlsafe(32)}"
        token = Token(self._ids.make(), user_id, name, scope, now, now + days * 24 * 3_600_000)
        await self._db.write([rows.insert_token(token, _hash(secret))])
        return NewToken(token, secret)

    async def logins(self, user_id: str) -> list[Login]:
        """Return a person's logins, last used first."""
        return await rows.logins_of(self._db, user_id)

    async def tokens(self, user_id: str) -> list[Token]:
        """Return a person's tokens, newest first."""
        return await rows.tokens_of(self._db, user_id)

    async def end_login(self, login_id: str, user_id: str) -> bool:
        """End a person's login and its open streams; False if they have no such login."""
        # The row goes before the streams: a stream that comes back at once finds no login any more.
        (deleted,) = await self._db.write([rows.delete_login(login_id, user_id)])
        return self._close(login_id, deleted.rowcount)

    async def revoke_token(self, token_id: str, user_id: str) -> bool:
        """Revoke a person's token and end its open streams; False if they have no such token."""
        (deleted,) = await self._db.write([rows.delete_token(token_id, user_id)])
        return self._close(token_id, deleted.rowcount)

    @contextmanager
    def watching(
        self, principal: Principal, by: Watcher, then: Callable[[], None] = lambda: None
    ) -> Iterator[asyncio.Event]:
        """Yield an event that is set once the login or token ends; `then` is called after it."""
        ended = asyncio.Event()
        self._ended.setdefault(principal.id, {})[ended] = _Watch(by, then)
        try:
            yield ended
        finally:
            waiting = self._ended.get(principal.id, {})
            waiting.pop(ended, None)
            if not waiting:
                self._ended.pop(principal.id, None)

    def watched(self, principal: Principal, by: Watcher) -> int:
        """Return how many of a kind the login or token has open."""
        return sum(each.by is by for each in self._ended.get(principal.id, {}).values())

    def _close(self, door_id: str, deleted: int) -> bool:
        for ended, watch in list(self._ended.get(door_id, {}).items()):
            ended.set()
            watch.then()
        return deleted > 0


def _is_too_old(login: Login, now_ms: int) -> bool:
    return now_ms - login.used_ms > IDLE_MS or now_ms - login.made_ms > LONGEST_MS


def _hash(secret: str) -> str:
    # Senders choose the text: bytes that are no UTF-8 arrive as lone surrogates and must not raise.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
