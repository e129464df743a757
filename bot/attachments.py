"""Files that come with a message: fetched at receipt from Discord's hosts only, into the work directory.

They lie under `.attachments/<message id>/`, where Claude's tools can read them; pictures also go to Claude as
pictures (`Attachment.media_type`). Names are made safe, sizes are bounded, redirects are not followed.
"""

import asyncio
import os
import re
import unicodedata
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from bot.face import FaceOptions
from bot.wording import size
from sessions.model import Attachment

DIRECTORY = ".attachments"
_MAX_NAME = 100
_MAX_NAME_BYTES = 200  # file systems take 255, and what is being written has a longer name
_UNSAFE = re.compile(r"[^\w.\-+@ ()]")
_CHUNK = 1 << 16
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MEDIA_TYPE = re.compile(r"[a-z]+/[\w.+-]{1,80}", re.ASCII)


class IncomingFile(msgspec.Struct, frozen=True):
    """A file of a message as Discord describes it."""

    name: str
    url: str
    size: int
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of the files: those that are there, and a sentence for each that is not."""

    files: tuple[Attachment, ...]
    troubles: tuple[str, ...] = ()


class FileRefused(Exception):
    """One file cannot be taken; the message is the rest of the sentence that begins with its name."""


def stored_files(message_id: int, files: Sequence[IncomingFile]) -> tuple[Attachment, ...]:
    """Where the files of a message lie, or will lie: the same message gives the same names."""
    taken: set[str] = set()
    stored: list[Attachment] = []
    for each in files:
        name = _unused(safe_name(each.name), taken)
        path = f"{DIRECTORY}/{message_id}/{name}"
        stored.append(Attachment(path, name, _media_type(each.media_type), each.size))
    return tuple(stored)


def safe_name(name: str) -> str:
    """A file name without directories, control characters, leading dots or surprises, at most 100 long."""
    plain = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    return _fitting(_UNSAFE.sub("_", plain).strip(" ._")) or "file"


def _fitting(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    ending = f".{suffix}" if dot and len(suffix) <= 10 else ""
    stem = name.removesuffix(ending)[: _MAX_NAME - len(ending)]
    return stem.encode()[: _MAX_NAME_BYTES - len(ending.encode())].decode(errors="ignore") + ending


def with_files(text: str, files: Sequence[Attachment]) -> str:
    """The prompt `text` with the files named after it, so that Claude knows where they are."""
    if not files:
        return text
    lines = [f"- {each.path} ({each.media_type or 'unknown type'}, {each.size:,} bytes)" for each in files]
    return "\n".join([text, "", "Attached files:", *lines]).lstrip()


async def fetch_files(
    work_directory: Path, message_id: int, files: Sequence[IncomingFile], options: FaceOptions
) -> Fetched:
    """Download `files` into `work_directory`. What fails is a sentence in the result."""
    if not files:
        return Fetched(())
    there: list[Attachment] = []
    troubles: list[str] = []
    room = options.max_files_bytes
    timeout = aiohttp.ClientTimeout(total=options.attachment_patience_s)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as http:
        for each, stored in zip(files, stored_files(message_id, files), strict=True):
            try:
                data = await _download(http, each, min(room, options.max_file_bytes), options)
                await _store(work_directory, stored.path, data)
            except FileRefused as error:
                troubles.append(f"“{stored.name}” {error}")
                continue
            room -= len(data)
            there.append(msgspec.structs.replace(stored, size=len(data)))
    return Fetched(tuple(there), tuple(troubles))


async def fetch_data(file: IncomingFile, options: FaceOptions) -> bytes:
    """The content of one file that is not for the work directory. Raises `FileRefused`."""
    timeout = aiohttp.ClientTimeout(total=options.attachment_patience_s)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as http:
        return await _download(http, file, options.max_file_bytes, options)


async def _store(work_directory: Path, path: str, data: bytes) -> None:
    try:
        await asyncio.to_thread(_write, work_directory, path, data)
    except OSError as error:
        raise FileRefused("could not be stored on the bot's machine.") from error


async def _download(
    http: aiohttp.ClientSession, file: IncomingFile, max_bytes: int, options: FaceOptions
) -> bytes:
    check_address(file.url, options.file_hosts)
    if file.size > max_bytes:
        raise FileRefused(f"is too large ({size(file.size)}; {size(max_bytes)} are possible here).")
    data = bytearray()
    try:
        async with http.get(file.url, allow_redirects=False) as answer:
            if answer.status != 200:
                raise FileRefused(f"could not be fetched from Discord (status {answer.status}); send it again.")
            async for chunk in answer.content.iter_chunked(_CHUNK):
                data += chunk
                if len(data) > max_bytes:
                    raise FileRefused(f"is too large ({size(max_bytes)} are possible here).")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise FileRefused("could not be fetched from Discord in time; send it again.") from error
    return bytes(data)


def _write(root: Path, path: str, data: bytes) -> None:
    """Write `path`, relative to the work directory `root`, whole or not at all. Blocks.

    Whoever works there may lay links at any time: each step is made below the directory that is open already,
    and goes through no link. Raises `OSError`.
    """
    *directories, name = path.split("/")
    with ExitStack() as opened:
        directory = os.open(root.resolve(), _DIRECTORY)
        opened.callback(os.close, directory)
        for each in directories:
            with suppress(FileExistsError):
                os.mkdir(each, 0o755, dir_fd=directory)
            directory = os.open(each, _DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
            opened.callback(os.close, directory)
        part = f".{name}.part"
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=directory)
        descriptor = os.open(part, _NEW_FILE, 0o644, dir_fd=directory)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        os.replace(part, name, src_dir_fd=directory, dst_dir_fd=directory)


def check_address(url: str, hosts: frozenset[str]) -> None:
    """Raise `FileRefused` unless `url` is one of Discord's file hosts."""
    try:
        parts = urlsplit(url)
        named = f"{parts.hostname}:{parts.port}" if parts.port is not None else str(parts.hostname)
    except ValueError:
        raise FileRefused("has an address that is none.") from None
    is_ours = named in hosts and (parts.scheme == "https" or parts.port is not None)
    if not is_ours or parts.username is not None or parts.scheme not in ("http", "https"):
        raise FileRefused("does not come from Discord.")


def incoming(attachments: Sequence[Any]) -> tuple[IncomingFile, ...]:
    """The files of a message, from discord.py's attachments."""
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
