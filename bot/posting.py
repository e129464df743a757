"""Carry out one step at a time: the row first, then Discord, then the result. Nothing is lost or made twice.

Before a message is created, its row is stored with a nonce and the fingerprint of the body. A retry carries the
same nonce and the same body, so Discord answers with the first message. When Discord may have forgotten the
nonce, and always after a restart, our own messages after the last known post are read, and the one with that
fingerprint is adopted.

Before a message is edited, its row says `UNKNOWN`. Otherwise, if a crash hits between the edit and its result,
the row would still name the old body, and a wish for the old body would look fulfilled.
"""

import logging
from collections import OrderedDict
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import assert_never

from msgspec.structs import replace

from bot.bodies import Plain, PostWish
from bot.delivery_rows import messages_around, note_tried
from bot.plan import Create, Edit, PostKey, Remove, Step
from bot.rows import (
    UNKNOWN,
    PostRow,
    confirm_post,
    controls_of,
    delete_post,
    forget_message,
    insert_controls,
    insert_post,
)
from bot.transport import BodyRefused, MessageGone, Seen, Transport, fingerprint
from faults import crash_point
from sessions.clock import Clock
from storage import Database, Statement

log = logging.getLogger(__name__)

NONCE_KEPT_MS = 120_000
"""Discord remembers a nonce for some minutes; after this time a row's nonce is not trusted."""
_MOST_KEYS = 20_000
_COULD_NOT_BE_SHOWN = "-# Discord did not take this part; Export has it."


class SessionGone(Exception):
    """The session was deleted or moved to another channel: its posts here stay, and no others are made."""


@dataclass(slots=True)
class Posts:
    """The existing posts of one unit, by subject and ordinal; each step updates them."""

    session_id: str
    channel_id: int
    rows: MutableMapping[PostKey, PostRow] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Try:
    """The body that this process first sent for a row, and the time."""

    wish: PostWish
    at_ms: int


class Posting:
    """Carries out steps for all channels. Steps of one unit must not overlap."""

    def __init__(self, db: Database, transport: Transport, clock: Clock) -> None:
        self._db = db
        self.transport = transport
        self._clock = clock
        self._tries: dict[str, _Try] = {}  # by nonce
        self._keys: OrderedDict[str, None] = OrderedDict()
        self._refused: OrderedDict[str, None] = OrderedDict()

    async def take(self, step: Step, posts: Posts) -> None:
        """Carry out `step`.

        If Discord refuses the body, `acceptable` gives a short notice in its place from then on. If it refuses
        a delete, the message stays.

        Raises what `Transport` raises, `StorageError`, and `SessionGone`.
        """
        try:
            match step:
                case Create():
                    await self._create(step, posts)
                case Edit():
                    await self._edit(step, posts)
                case Remove():
                    await self._remove(step.row, posts)
                case _:
                    assert_never(step)
        except BodyRefused as error:
            facts = {"session": posts.session_id, "code": error.code}
            if isinstance(step, Remove):
                # A retry would be refused too: leave the message there, and forget its row.
                facts |= {"subject": step.row.subject, "post": step.row.message_id}
                log.error("Discord refused to delete a post", extra=facts)  # noqa: TRY400 (the facts say it all)
                await self._forget(step.row, posts)
                return
            log.error("Discord refused a post", extra={**facts, "subject": step.wish.subject})  # noqa: TRY400
            self._refuse(step.wish)

    def acceptable(self, wish: PostWish) -> PostWish:
        """Return `wish`, with a short notice as its body if Discord has refused its own."""
        if not self._refused or wish.shown not in self._refused:
            return wish
        return replace(wish, body=Plain(_COULD_NOT_BE_SHOWN))

    def _refuse(self, wish: PostWish) -> None:
        self._refused[wish.shown] = None
        while len(self._refused) > _MOST_KEYS:
            self._refused.popitem(last=False)

    # --- creating ---------------------------------------------------------------------------------------

    async def _create(self, step: Create, posts: Posts) -> None:
        row, now_ms = step.row, self._clock.now_ms()
        if row is not None and (found := await self._find_forgotten(row, now_ms)) is not None:
            await self._confirm(row, found, step.wish, posts)
            return
        wish = step.wish
        # The fingerprint goes along with the new row: one transaction for each post instead of two.
        if row is None:
            row = await self._new_row(posts, (wish.subject, wish.ordinal), now_ms, fingerprint(wish.body))
        earlier = self._tries.get(row.nonce)
        if earlier is not None and now_ms - earlier.at_ms < NONCE_KEPT_MS:
            wish = earlier.wish  # the same body again: Discord then answers with the same message
        else:
            row = await self._note_try(row, wish)
            self._tries[row.nonce] = _Try(wish, now_ms)
        # Before the request: if it fails, the next plan finds this
        # row and tries it again instead of making another.
        posts.rows[wish.subject, wish.ordinal] = row
        crash_point("post-before")
        try:
            seen = await self.transport.create(row.channel_id, wish.body, nonce=row.nonce, ping=wish.ping)
        except BodyRefused:
            # Discord made nothing, so a short notice may go under the same nonce.
            self._tries.pop(row.nonce, None)
            raise
        crash_point("post-sent")
        if wish.ping is not None:
            crash_point("ping-sent")
        await self._confirm(row, seen, wish, posts)

    async def _new_row(self, posts: Posts, key: PostKey, now_ms: int, tried: str = "") -> PostRow:
        row = await insert_post(self._db, posts.session_id, posts.channel_id, key, now_ms, tried)
        if row is None:
            raise SessionGone
        return row

    async def _note_try(self, row: PostRow, wish: PostWish) -> PostRow:
        """Store the fingerprint of the body about to be sent, beside those sent before under this nonce."""
        # The earlier bodies stay: a try whose answer was lost may have made the message with one of them.
        tried = " ".join(dict.fromkeys([*row.shown.split(), fingerprint(wish.body)]))
        statements = self._new_controls(wish)
        if tried != row.shown:  # a new row has it already
            statements = [note_tried(replace(row, shown=tried)), *statements]
        # Before the request: after a kill during it, the message is recognised by this fingerprint.
        await self._db.write(statements)
        self._remember_controls(wish)
        return replace(row, shown=tried)

    async def _find_forgotten(self, row: PostRow, now_ms: int) -> Seen | None:
        """Return the message that an earlier try made for `row`, if Discord may have forgotten its nonce.

        A row that an earlier run of the bot tried is always looked up: this machine's clock cannot tell for
        sure how long ago that was by Discord's.
        """
        tried = self._tries.get(row.nonce)
        is_trusted = tried is not None and now_ms - tried.at_ms < NONCE_KEPT_MS
        return None if is_trusted else await self._find_lost(row)

    async def _find_lost(self, row: PostRow) -> Seen | None:
        """Return the message of a row that was tried and never confirmed, if a try made it."""
        if not row.shown:
            return None
        after, known = await messages_around(self._db, row)
        wanted = row.shown.split()
        for seen in await self.transport.own_messages(row.channel_id, after):
            # Two posts may have the same text, such as two closing
            # lines: the message of another row is not adopted.
            if seen.message_id not in known and seen.fingerprint in wanted:
                return seen
        return None

    async def _confirm(self, row: PostRow, seen: Seen, wish: PostWish, posts: Posts) -> None:
        # An earlier try may have made the message with another body: then it is `UNKNOWN`, and edited next.
        shown = wish.shown if seen.fingerprint == fingerprint(wish.body) else UNKNOWN
        await self._db.write([confirm_post(row, seen.message_id, shown)])
        self._tries.pop(row.nonce, None)
        posts.rows[wish.subject, wish.ordinal] = replace(row, message_id=seen.message_id, shown=shown)
        crash_point("post-stored")

    # --- changing ---------------------------------------------------------------------------------------

    async def _edit(self, step: Edit, posts: Posts) -> None:
        key = (step.wish.subject, step.wish.ordinal)
        # The controls are stored first: a click may come as soon as the message shows them.
        before = self._new_controls(step.wish)
        if step.row.shown != UNKNOWN:
            before.append(confirm_post(step.row, step.message_id, UNKNOWN))
        if before:
            await self._db.write(before)
        self._remember_controls(step.wish)
        posts.rows[key] = replace(step.row, shown=UNKNOWN)
        crash_point("edit-before")
        try:
            await self.transport.edit(step.row.channel_id, step.message_id, step.wish.body)
        except MessageGone:
            await self._db.write([forget_message(step.row)])
            # Read the row back: `forget_message` gave it a new nonce.
            now_ms = self._clock.now_ms()
            posts.rows[key] = await self._new_row(posts, key, now_ms)
            return
        crash_point("edit-sent")
        await self._db.write([confirm_post(step.row, step.message_id, step.wish.shown)])
        posts.rows[key] = replace(step.row, shown=step.wish.shown)
        crash_point("edit-stored")

    async def _remove(self, row: PostRow, posts: Posts) -> None:
        message_id = row.message_id
        if message_id is None:  # Discord may have made it, and only the answer was lost
            found = await self._find_lost(row)
            message_id = found.message_id if found is not None else None
        # Discord first: after a kill in between, the row leads to a second delete, which is no error.
        if message_id is not None:
            await self.transport.delete(row.channel_id, message_id)
            crash_point("post-removed")
        await self._forget(row, posts)

    async def _forget(self, row: PostRow, posts: Posts) -> None:
        await self._db.write([delete_post(row)])
        self._tries.pop(row.nonce, None)
        posts.rows.pop((row.subject, row.ordinal), None)

    def _new_controls(self, wish: PostWish) -> list[Statement]:
        """Return statements that store the controls of `wish`; none if all are known to be stored."""
        known = all(each.key in self._keys for each in controls_of(wish.body))
        return [] if known else insert_controls(wish.body)

    def _remember_controls(self, wish: PostWish) -> None:
        # Only after their write: a key in this cache means that the row is there.
        self._keys.update(dict.fromkeys(each.key for each in controls_of(wish.body)))
        while len(self._keys) > _MOST_KEYS:
            self._keys.popitem(last=False)
