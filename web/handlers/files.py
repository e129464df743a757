"""Routes on files: attachments in, files of the project and exports out."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from urllib.parse import quote

import msgspec
from aiohttp import web

import api as c
from api.access import Action
from api.words.exports import EXPORTS
from sessions.errors import SessionHidden
from sessions.model import Attachment, ExportFormat
from web.doors import Watcher
from web.guard import actor_now
from web.principals import Scope
from web.problems import Refused
from web.routing import Call, Route, Words

_PIECE_BYTES = 1 << 16
_ASK_AGAIN_S = 1.0
_MOST_UPLOAD = 25 * 2**20


class FileQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """`path` is relative to the work directory."""

    path: Words


class ExportQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The format of the export: json can be imported, the others are for reading; pdf needs an extra."""

    format: ExportFormat = ExportFormat.MARKDOWN


async def put_attachment(call: Call) -> Attachment:
    """Store a file for a prompt. The body is the file; send the answer in `attachments` of a message."""
    wish = c.PutFile(
        session_id=call.session_id,
        # Named by the act: the same upload sent again replaces its file and makes no second one.
        folder=hashlib.sha256(call.origin.encode()).hexdigest()[:16],
        name=call.place("name"),
        media_type=call.request.content_type,
        # The application's bound on bodies counts only what is read whole; here the core counts the stream.
        max_bytes=_MOST_UPLOAD,
    )
    return await call.parts.core.put_file(call.actor, wish, _content(call.request))


async def _content(request: web.Request) -> AsyncIterator[bytes]:
    async for piece in request.content.iter_chunked(_PIECE_BYTES):
        yield piece


async def get_file(call: Call) -> web.StreamResponse:
    """Download a file of the work directory. Needs the right to prompt."""
    query: FileQuery = call.query
    wish = c.GetFile(session_id=call.session_id, path=query.path)
    response = web.StreamResponse(headers=_as_download(query.path.rpartition("/")[2]))
    # Never the file's own type: a browser may show that in place.
    response.content_type = "application/octet-stream"
    # A reset: the reader went away, or lost the right and was cut off.
    with call.parts.doors.watching(call.principal, Watcher.DOWNLOAD) as ended, suppress(ConnectionResetError):
        async with aclosing(call.parts.core.get_file(call.actor, wish)) as pieces:
            # The first piece is read before the answer begins: a refusal must still be able to be one.
            first = await anext(pieces, b"")
            await response.prepare(call.request)
            await response.write(first)
            async for piece in _while_allowed(call, pieces, ended):
                await response.write(piece)
        await response.write_eof()
    return response


async def _while_allowed(
    call: Call, pieces: AsyncGenerator[bytes, None], ended: asyncio.Event
) -> AsyncIterator[bytes]:
    """Yield `pieces` until the login has ended or the right is lost; then cut the connection.

    A slow reader takes minutes for a large file. Cut: nobody shall take a part for the whole.
    """
    loop = asyncio.get_running_loop()
    asked_at = loop.time()
    async for piece in pieces:
        if loop.time() - asked_at > _ASK_AGAIN_S:
            asked_at = loop.time()
            if not await _may_go_on(call):
                ended.set()
        if ended.is_set():
            if call.request.transport is not None:
                call.request.transport.abort()
            return
        yield piece


async def _may_go_on(call: Call) -> bool:
    try:
        actor = await actor_now(call.parts, call.principal)
    except Refused:
        return False
    return await call.parts.core.may(actor, Action.PROMPT, call.session_id)


async def export_session(call: Call) -> web.StreamResponse:
    """Download a session as a file."""
    query: ExportQuery = call.query
    file = await call.perform(c.ExportSession(session_id=call.session_id, format=query.format))
    # The core has looked at the shares again; the login and the role may have ended, too.
    actor = await actor_now(call.parts, call.principal)
    if not await call.parts.core.may(actor, Action.VIEW, call.session_id):
        raise SessionHidden(Action.VIEW)
    headers = {**_as_download(file.name), "Content-Type": EXPORTS[query.format].media_type}
    return web.Response(body=file.data, headers=headers)


def _as_download(name: str) -> dict[str, str]:
    # Never shown in place: a page that Claude wrote would run with this page's cookie.
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}


_ONE = "/api/sessions/{session_id}"
_BYTES = "application/octet-stream"
ROUTES: Sequence[Route] = (
    Route("PUT", f"{_ONE}/attachments/{{name}}", put_attachment, Scope.OPERATE, reply=Attachment, status=201),
    Route("GET", f"{_ONE}/files", get_file, Scope.OPERATE, query=FileQuery, reply=None, media_types=(_BYTES,)),
    Route(
        "GET",
        f"{_ONE}/export",
        export_session,
        query=ExportQuery,
        reply=None,
        media_types=tuple(words.media_type for words in EXPORTS.values()),
    ),
)
