"""Files that come with a message: fetched at receipt from Discord's hosts only, into the session's uploads.

They lie under `uploads/<message id>/`, where Claude's tools can read them; pictures also go to Claude as
pictures (`Attachment.media_type`). Names are made safe, sizes are bounded, redirects are refused.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from api import PutFile
from api.file_names import safe_name
from bot.face import FaceOptions
from bot.wording import size
from sessions.errors import FileRefused as CoreRefused
from sessions.model import Attachment

DIRECTORY = "uploads"
_CHUNK = 1 << 16
_MEDIA_TYPE = re.compile(r"[a-z]+/[\w.+-]{1,80}", re.ASCII)


class IncomingFile(msgspec.Struct, frozen=True):
    """A message's file as Discord describes it."""

    name: str
    url: str
    size: int
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """The result of a download: the stored files, and a sentence for each file that failed."""

    files: tuple[Attachment, ...]
    troubles: tuple[str, ...] = ()


class FileRefused(Exception):
    """One file cannot be fetched. `reason` continues a sentence that begins with the file's name."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


Store = Callable[[PutFile, AsyncIterable[bytes]], Awaitable[Attachment]]
"""Stores an upload of a session: `Core.put_file` for one actor."""


def stored_files(message_id: int, files: Sequence[IncomingFile]) -> tuple[Attachment, ...]:
    """Return where the files of a message lie or will lie. The same message always gives the same names."""
    taken: set[str] = set()
    stored: list[Attachment] = []
    for each in files:
        name = _unused(safe_name(each.name), taken)
        path = f"{DIRECTORY}/{message_id}/{name}"
        stored.append(Attachment(path, name, _media_type(each.media_type), each.size))
    return tuple(stored)


def with_files(text: str, files: Sequence[Attachment]) -> str:
    """Return the prompt `text` followed by a list of its files, so that Claude knows where they are."""
    return (text + files_list(files)).lstrip()


def files_list(files: Sequence[Attachment]) -> str:
    """Return the list of files that stands below a prompt; empty without files."""
    if not files:
        return ""
    lines = [f"- {each.path} ({each.media_type or 'unknown type'}, {each.size:,} bytes)" for each in files]
    return "\n".join(["", "", "Attached files:", *lines])


async def fetch_files(
    store: Store, session_id: str, message_id: int, files: Sequence[IncomingFile], options: FaceOptions
) -> Fetched:
    """Download `files` into the session. The result has a sentence for each that fails. Raises `NotAllowed`."""
    if not files:
        return Fetched(())
    there: list[Attachment] = []
    troubles: list[str] = []
    room = options.max_files_bytes
    timeout = aiohttp.ClientTimeout(total=options.attachment_patience_s)
    # `trust_env` would take proxies and credentials from the environment and a `.netrc`.
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as http:
        for each, stored in zip(files, stored_files(message_id, files), strict=True):
            wish = PutFile(
                session_id=session_id, folder=str(message_id), name=stored.name, media_type=stored.media_type
            )
            try:
                async with aclosing(_download(http, each, min(room, options.max_file_bytes), options)) as data:
                    kept = await store(wish, data)
            except (FileRefused, CoreRefused) as error:
                troubles.append(f"“{stored.name}” {error.reason}")
                continue
            # By what came, not by what Discord said.
            room -= kept.size
            there.append(kept)
    return Fetched(tuple(there), tuple(troubles))


async def fetch_data(file: IncomingFile, options: FaceOptions) -> bytes:
    """Return the content of one file, without storing it. Raises `FileRefused`."""
    timeout = aiohttp.ClientTimeout(total=options.attachment_patience_s)
    async with (
        aiohttp.ClientSession(timeout=timeout, trust_env=False) as http,
        aclosing(_download(http, file, options.max_file_bytes, options)) as data,
    ):
        return b"".join([chunk async for chunk in data])


async def _download(
    http: aiohttp.ClientSession, file: IncomingFile, max_bytes: int, options: FaceOptions
) -> AsyncGenerator[bytes, None]:
    # Rows hold the address, so it is checked at each use, not only when the message comes.
    check_address(file.url, options.file_hosts)
    if file.size > max_bytes:
        raise FileRefused(f"is too large ({size(file.size)}; {size(max_bytes)} are possible here).")
    came = 0
    try:
        # A redirect could lead into the network of this machine.
        async with http.get(file.url, allow_redirects=False) as answer:
            if answer.status != 200:
                raise FileRefused(f"could not be fetched from Discord (status {answer.status}); send it again.")
            async for chunk in answer.content.iter_chunked(_CHUNK):
                came += len(chunk)
                # Counted, since the size in the message is only what Discord says.
                if came > max_bytes:
                    raise FileRefused(f"is too large ({size(max_bytes)} are possible here).")
                yield chunk
    except (aiohttp.ClientError, TimeoutError) as error:
        raise FileRefused("could not be fetched from Discord in time; send it again.") from error


def check_address(url: str, hosts: frozenset[str]) -> None:
    """Raise `FileRefused` unless `url` is on one of Discord's file hosts."""
    try:
        parts = urlsplit(url)
        named = f"{parts.hostname}:{parts.port}" if parts.port is not None else str(parts.hostname)
    except ValueError:
        raise FileRefused("has an invalid address.") from None
    is_ours = named in hosts and (parts.scheme == "https" or parts.port is not None)
    # A user name can make an address look like another host's.
    if not is_ours or parts.username is not None or parts.scheme not in ("http", "https"):
        raise FileRefused("does not come from Discord.")


def incoming(attachments: Sequence[Any]) -> tuple[IncomingFile, ...]:
    """Return the files of a message from discord.py's attachments."""
    return tuple(
        IncomingFile(str(each.filename), str(each.url), int(each.size), str(each.content_type or ""))
        for each in attachments
    )


def _media_type(text: str) -> str:
    kind = text.partition(";")[0].strip().lower()
    return kind if _MEDIA_TYPE.fullmatch(kind) else ""


def _unused(name: str, taken: set[str]) -> str:
    stem, dot, suffix = name.rpartition(".")
    candidate, number = name, 2
    while candidate in taken:
        candidate = f"{stem}-{number}.{suffix}" if dot else f"{name}-{number}"
        number += 1
    taken.add(candidate)
    return candidate
