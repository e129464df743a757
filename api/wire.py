"""What goes over the control socket: newline-delimited JSON, one value a line, in both directions.

The server greets with `Hello`. Then each request carries an id of the client's choosing, and each answer to
it the same id: one `Reply` or `Failed` to a `Perform`; `Happened` in any number to a `Follow`, until `Failed`.
A `Put` is followed by `Piece`s, the last one empty; a `Get` brings some; `Reply` or `Failed` ends both.
Now and then a `Follow` brings `WhoFollows`: nothing more comes until the client has said who it is now.
Ids are unique among what runs on a connection. Version `PROTOCOL` changes when an old client would not
understand; additional fields are no such change.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import msgspec

from api import AnyCommand, FeedOfAll, GetFile, Position, PutFile
from api.access import Action, Actor
from sessions.errors import SessionError
from sessions.events import Feed

PROTOCOL = 2
MAX_LINE_BYTES = 16 * 1024 * 1024
"""A prompt of a million characters fits, whatever they are."""
PIECE_BYTES = 1 << 18
_CHUNK_BYTES = 1 << 16


class Perform(msgspec.Struct, frozen=True, tag="perform", kw_only=True):
    """Do `command`. Without `actor` it is done for the person at the other end of the socket."""

    id: int
    command: AnyCommand
    actor: Actor | None = None


class May(msgspec.Struct, frozen=True, tag="may", kw_only=True):
    """Whether the actor may do `action` to the session: a `Reply` with true or false."""

    id: int
    action: Action
    session_id: str
    actor: Actor | None = None


class Put(msgspec.Struct, frozen=True, tag="put", kw_only=True):
    """Store a file; `Piece`s with the same id follow."""

    id: int
    wish: PutFile
    actor: Actor | None = None


class Get(msgspec.Struct, frozen=True, tag="get", kw_only=True):
    """Send a file as `Piece`s."""

    id: int
    wish: GetFile
    actor: Actor | None = None


class Piece(msgspec.Struct, frozen=True, tag="piece"):
    """Some of a file's bytes, at most `PIECE_BYTES`; without any at its end."""

    id: int
    data: bytes


class Follow(msgspec.Struct, frozen=True, tag="follow", kw_only=True):
    """Send what happens to a session, from event `after` + 1 on, until `Cancel` or the connection ends."""

    id: int
    session_id: str
    after: int
    actor: Actor | None = None


class FollowAll(msgspec.Struct, frozen=True, tag="follow_all", kw_only=True):
    """Send what happens in all sessions that the actor may view, until `Cancel` or the connection ends."""

    id: int
    after: Position | None = None
    actor: Actor | None = None


class Following(msgspec.Struct, frozen=True, tag="following", kw_only=True):
    """Who the actor of the `Follow` with this id is now: the answer to `WhoFollows`."""

    id: int
    actor: Actor


class Cancel(msgspec.Struct, frozen=True, tag="cancel", kw_only=True):
    """Stop the `Follow` with this id; nothing is answered, and an id that is not running is no error."""

    id: int


Request = Perform | May | Put | Get | Piece | Follow | FollowAll | Following | Cancel


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """What the server says first: the version that it speaks, and its process."""

    protocol: int
    pid: int


class Reply(msgspec.Struct, frozen=True, tag="reply"):
    """`body` is a value of the command's `reply` type."""

    id: int
    body: msgspec.Raw


class Happened(msgspec.Struct, frozen=True, tag="happened"):
    """Something that a followed session brings."""

    id: int
    feed: Feed


class HappenedSomewhere(msgspec.Struct, frozen=True, tag="happened_somewhere"):
    """What a `FollowAll` brings."""

    id: int
    feed: FeedOfAll


class WhoFollows(msgspec.Struct, frozen=True, tag="who_follows"):
    """The `Follow` with this id goes on once its client has answered with `Following`."""

    id: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """A refusal: `kind` is the class of the error, `facts` its attributes. An `id` of 0 means: no request."""

    id: int
    kind: str
    sentence: str
    facts: dict[str, Any] = {}


Response = Hello | Reply | Piece | Happened | HappenedSomewhere | WhoFollows | Failed

requests = msgspec.json.Decoder(Request)
responses = msgspec.json.Decoder(Response)


def encoded(message: Request | Response) -> bytes:
    """`message` as one line, newline included."""
    return msgspec.json.encode(message) + b"\n"


class LineTooLong(Exception):
    """The other side sends a line that is longer than we take: where it ends is not known."""


async def lines(reader: asyncio.StreamReader, *, most_bytes: int | None = None) -> AsyncGenerator[bytes, None]:
    """Whole lines until the connection ends, in whatever way. Raises `LineTooLong` above `most_bytes`."""
    buffer = bytearray()
    searched = 0
    while chunk := await _read(reader):
        buffer += chunk
        while (end := buffer.find(b"\n", searched)) >= 0:
            line = bytes(buffer[:end])
            del buffer[: end + 1]
            searched = 0
            yield line
        searched = len(buffer)
        if most_bytes is not None and len(buffer) > most_bytes:
            raise LineTooLong


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(_CHUNK_BYTES)
    except ConnectionError:
        return b""


def failure(request_id: int, error: SessionError) -> Failed:
    """`error` as an answer to request `request_id`."""
    return Failed(request_id, type(error).__name__, str(error), dict(vars(error)))


def rebuilt(failed: Failed) -> SessionError:
    """The error that the other side raised; its root class when the kind is not known here."""
    kinds = {kind.__name__: kind for kind in _kinds(SessionError)}
    kind = kinds.get(failed.kind, SessionError)
    # Not through `__init__`: the sentence and the facts are ready.
    error = kind.__new__(kind, failed.sentence)
    error.__dict__.update(failed.facts)
    return error


def _kinds(root: type[SessionError]) -> Iterator[type[SessionError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _kinds(kind)
