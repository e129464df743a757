"""The messages of the control socket: newline-delimited JSON, one value a line, in both directions.

The server greets with `Hello`. The client's first line is `Enter` with a key; the server answers `Entered`, or
`Failed` and the end of the connection. Then each request carries an id of the client's choosing, and each
answer carries the id of its request. A `Perform` gets one `Reply` or `Failed`. A `Follow` gets any number of
`Happened`, until `Failed`. The client sends `Piece`s after a `Put`, the last one empty; the server sends
`Piece`s for a `Get`; `Reply` or `Failed` ends both. Ids are unique among the requests that run on a connection.

A request may name the person that it is made for, by `Named`: never with a role, which the server works out.
Version `PROTOCOL` changes when an old client would not understand; an added field needs no change.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import msgspec

from api import AnyCommand, FeedOfAll, GetFile, Position, PutFile
from api.access import Action
from sessions.errors import SessionError
from sessions.events import Feed

PROTOCOL = 3
MAX_LINE_BYTES = 16 * 1024 * 1024
"""A prompt of a million characters fits, whatever they are."""
# Bytes travel as Base64, a third longer. The server holds only a few pieces of a file at a time.
PIECE_BYTES = 1 << 18
MAX_ENTER_BYTES = 1024
"""The longest first line, its newline included."""
_CHUNK_BYTES = 1 << 16


class Enter(msgspec.Struct, frozen=True, tag="enter"):
    """The first line of a client: the content of the key file of its kind."""

    key: str


class Named(msgspec.Struct, frozen=True):
    """The person that a request is made for: an id and a face. The server adds role and groups."""

    user_id: str
    face: str


class Perform(msgspec.Struct, frozen=True, tag="perform", kw_only=True):
    """Carry out `command`. Without `actor` it is the person at the other end of the socket."""

    id: int
    command: AnyCommand
    actor: Named | None = None


class May(msgspec.Struct, frozen=True, tag="may", kw_only=True):
    """Ask whether the actor may do `action` to the session; the answer is a `Reply` with true or false."""

    id: int
    action: Action
    session_id: str
    actor: Named | None = None


class Put(msgspec.Struct, frozen=True, tag="put", kw_only=True):
    """Store a file; `Piece`s with the same id follow."""

    id: int
    wish: PutFile
    actor: Named | None = None


class Get(msgspec.Struct, frozen=True, tag="get", kw_only=True):
    """Send a file as `Piece`s."""

    id: int
    wish: GetFile
    actor: Named | None = None


class Piece(msgspec.Struct, frozen=True, tag="piece"):
    """A part of a file, at most `PIECE_BYTES` bytes; an empty one ends the file."""

    id: int
    data: bytes


class Follow(msgspec.Struct, frozen=True, tag="follow", kw_only=True):
    """Send the events of a session from number `after` + 1 on, until `Cancel` or the connection ends."""

    id: int
    session_id: str
    after: int
    actor: Named | None = None


class FollowAll(msgspec.Struct, frozen=True, tag="follow_all", kw_only=True):
    """Send the changes in all sessions that the actor may view, until `Cancel` or the connection ends."""

    id: int
    after: Position | None = None
    growing: bool = True
    actor: Named | None = None


class Cancel(msgspec.Struct, frozen=True, tag="cancel", kw_only=True):
    """Stop the `Follow` with this id. Gets no answer; no error if the id is not running."""

    id: int


Request = Perform | May | Put | Get | Piece | Follow | FollowAll | Cancel


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The server's greeting: its protocol version and its process id."""

    protocol: int
    pid: int


class Entered(msgspec.Struct, frozen=True, tag="entered"):
    """The key is right: requests are served from now on."""


class Reply(msgspec.Struct, frozen=True, tag="reply"):
    """`body` is a value of the command's `reply` type."""

    id: int
    # Undecoded: only the caller knows which type its command replies with.
    body: msgspec.Raw


class Happened(msgspec.Struct, frozen=True, tag="happened"):
    """One item of a followed session."""

    id: int
    feed: Feed


class HappenedSomewhere(msgspec.Struct, frozen=True, tag="happened_somewhere"):
    """One item of a `FollowAll`."""

    id: int
    feed: FeedOfAll


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """An error: `kind` is its class, `facts` its attributes. An `id` of 0 means that it answers no request."""

    id: int
    kind: str
    sentence: str
    facts: dict[str, Any] = {}


Response = Hello | Entered | Reply | Piece | Happened | HappenedSomewhere | Failed

first_line = msgspec.json.Decoder(Enter)
requests = msgspec.json.Decoder(Request)
responses = msgspec.json.Decoder(Response)


def encoded(message: Enter | Request | Response) -> bytes:
    """Encode `message` as one line, newline included."""
    return msgspec.json.encode(message) + b"\n"


class LineTooLong(Exception):
    """The other side sent a line above the limit. Its end is unknown, so nothing after it can be read."""


async def lines(reader: asyncio.StreamReader, *, most_bytes: int | None = None) -> AsyncGenerator[bytes, None]:
    """Yield whole lines until the connection ends or breaks. Raises `LineTooLong` above `most_bytes`."""
    buffer = bytearray()
    searched = 0
    while chunk := await _read(reader):
        buffer += chunk
        while (end := buffer.find(b"\n", searched)) >= 0:
            line = bytes(buffer[:end])
            del buffer[: end + 1]
            searched = 0
            yield line
        # These bytes have no newline: searching them again at each chunk would take quadratic time for a long
        # line.
        searched = len(buffer)
        if most_bytes is not None and len(buffer) > most_bytes:
            raise LineTooLong


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(_CHUNK_BYTES)
    # A broken connection ends as a closed one does: either way nothing more comes.
    except ConnectionError:
        return b""


def failure(request_id: int, error: SessionError) -> Failed:
    """Return `error` as the answer to request `request_id`."""
    return Failed(request_id, type(error).__name__, str(error), dict(vars(error)))


def rebuilt(failed: Failed) -> SessionError:
    """Return the error that the other side raised, as a `SessionError` if its kind is unknown here."""
    kinds = {kind.__name__: kind for kind in _kinds(SessionError)}
    kind = kinds.get(failed.kind, SessionError)
    # `__init__` is skipped: it would build the sentence anew from arguments that were not sent.
    error = kind.__new__(kind, failed.sentence)
    error.__dict__.update(failed.facts)
    return error


def _kinds(root: type[SessionError]) -> Iterator[type[SessionError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _kinds(kind)
