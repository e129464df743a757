"""The messages of the live stream, JSON in both directions: see `docs/web.md`.

The browser subscribes and the server sends; commands never go over the socket. A frame with `n` is a whole
step: a tab that has applied it may come back with `after = n` and misses nothing.
"""

from typing import Annotated

import msgspec

PROTOCOL = 1
SubName = Annotated[str, msgspec.Meta(max_length=40)]
# The largest whole numbers that JavaScript keeps exactly.
EventNumber = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Put(msgspec.Struct, frozen=True, tag="put"):
    """Put an element in: it replaces the one with its id, or goes into `parent` before the element `before`.

    With `once` an element that is there stays as it is.
    """

    id: str
    html: str
    parent: str = ""
    before: str = ""
    once: bool = False


class Grow(msgspec.Struct, frozen=True, tag="grow"):
    """Claude is writing a block: add `text` at its end. With `fresh` the element begins anew."""

    id: str
    parent: str
    kind: str
    text: str
    fresh: bool = False


class Settle(msgspec.Struct, frozen=True, tag="settle"):
    """The first part of a growing block is final: add `html` to it, and let `tail` be the text after it."""

    id: str
    html: str
    tail: str


class Remove(msgspec.Struct, frozen=True, tag="remove"):
    """Take an element out."""

    id: str


class Children(msgspec.Struct, frozen=True, tag="children"):
    """Let the element have these children, in this order; one with the same id and HTML stays as it is."""

    id: str
    html: str


class Stale(msgspec.Struct, frozen=True, tag="stale"):
    """The element `id` is out of date, and not in the stream: a page that has it reads itself again."""

    id: str


Change = Put | Grow | Settle | Remove | Children | Stale


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The greeting. A tab that was served by another `run` of the bridge may load itself anew."""

    protocol: int
    run: str
    beat_s: float


class Step(msgspec.Struct, frozen=True, tag="event"):
    """Changes up to event `n` of the session of subscription `sub`; `n` is None while only text grows."""

    sub: str
    changes: tuple[Change, ...]
    n: int | None = None


class Closed(msgspec.Struct, frozen=True, tag="closed"):
    """The subscription has ended. `why` is a code: not_allowed, gone, failed."""

    sub: str
    why: str


class Beat(msgspec.Struct, frozen=True, tag="beat"):
    """A sign of life. A tab that misses it connects anew."""

    t: int


Frame = Hello | Step | Closed | Beat


class Subscribe(msgspec.Struct, frozen=True, tag="sub"):
    """Follow a session after event `after`, or with an empty `session` the list of sessions."""

    sub: SubName
    session: Annotated[str, msgspec.Meta(max_length=100)] = ""
    after: EventNumber = 0


class Unsubscribe(msgspec.Struct, frozen=True, tag="unsub"):
    """End a subscription."""

    sub: SubName


class Look(msgspec.Struct, frozen=True, tag="look"):
    """Tell whether the tab is visible; only then its reader counts as present."""

    visible: bool


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """Ask for a sign of life."""


Wish = Subscribe | Unsubscribe | Look | Ping

wishes = msgspec.json.Decoder(Wish)
