"""Files of messages: from Discord only, bounded, under safe names, never outside the work directory."""

import asyncio
import contextlib
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from api.file_names import safe_name
from bot.attachments import (
    FileRefused,
    IncomingFile,
    Store,
    check_address,
    fetch_files,
    stored_files,
    with_files,
)
from bot.face import DISCORD_FILE_HOSTS, FaceOptions
from service.work_files import UploadPlace, put_file
from sessions.model import Attachment
from sessions.uploads import uploads_of
from tests.bot.ways import Town, Ways, core, fake, options, town, ways
from tests.fakes.discord_server import FakeDiscord
from tests.sessions.running_core import reached

__all__ = ["core", "fake", "town", "ways"]

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(64)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("notes.txt", "notes.txt"),
        ("Bericht für März.pdf", "Bericht für März.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        (".env", "env"),
        ("a\x00b\nc.txt", "a_b_c.txt"),
        ("\u202egnp.exe", "gnp.exe"),
        ("$(rm -rf ~).sh", "(rm -rf _).sh"),
        ("", "file"),
        ("...", "file"),
        ("/", "file"),
        ("x" * 300 + ".txt", "x" * 96 + ".txt"),
        ("x" * 300, "x" * 100),
        ("報" * 300 + ".txt", "報" * 65 + ".txt"),
    ],
)
def test_a_name_becomes_a_plain_file_name(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_files_of_one_message_get_different_names() -> None:
    files = [IncomingFile(name, "", 1) for name in ("a.txt", "b/a.txt", "a.txt", "a", "a")]
    paths = [each.path for each in stored_files(7, files)]
    assert paths == [f"uploads/7/{name}" for name in ("a.txt", "a-2.txt", "a-3.txt", "a", "a-2")]


@pytest.mark.parametrize(
    ("url", "is_ours"),
    [
        ("https://cdn.discordapp.com/attachments/1/2/a.png?ex=1", True),
        ("https://media.discordapp.net/attachments/1/2/a.png", True),
        ("http://cdn.discordapp.com/attachments/1/2/a.png", False),
        ("https://cdn.discordapp.com:8443/a", False),
        ("https://cdn.discordapp.com.evil.example/a", False),
        ("https://evil.example/cdn.discordapp.com", False),
        ("https://user@cdn.discordapp.com/a", False),
        ("https://127.0.0.1/a", False),
        ("file:///etc/passwd", False),
        ("https://[::1", False),
        ("", False),
    ],
)
def test_only_discords_own_hosts_are_asked(url: str, *, is_ours: bool) -> None:
    if is_ours:
        check_address(url, DISCORD_FILE_HOSTS)
    else:
        with pytest.raises(FileRefused):
            check_address(url, DISCORD_FILE_HOSTS)


def test_the_prompt_names_the_files() -> None:
    files = (Attachment("uploads/7/a.txt", "a.txt", "text/plain", 1200),)
    expected = "look\n\nAttached files:\n- uploads/7/a.txt (text/plain, 1,200 bytes)"
    assert with_files("look", files) == expected
    assert with_files("", files).startswith("Attached files:")
    assert with_files("look", ()) == "look"


async def test_files_of_a_message_lie_with_the_session_and_pictures_go_as_pictures(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    sent = ways.town.ann.send(thread, "look", files={"a.png": PICTURE, "b.txt": b"text"})
    await reached(session, lambda snapshot: snapshot.message_count == 2)
    turn = (await ways.turns(session))[-1].turn
    directory = uploads_of(session.around.run_directory, session.id) / str(sent.id)
    stored = {path.name: path.read_bytes() for path in directory.iterdir()}
    assert stored == {"a.png": PICTURE, "b.txt": b"text"}
    modes = {path.name: path.stat().st_mode & 0o777 for path in (directory, *directory.iterdir())}
    assert modes == {str(sent.id): 0o700, "a.png": 0o600, "b.txt": 0o600}
    assert list(Path(session.snapshot.work_directory).rglob("*a.png")) == []
    assert [each.media_type for each in turn.attachments] == ["image/png", "text/plain"]
    assert "look\n\nAttached files:" in turn.prompt


async def test_the_file_of_a_command_goes_along(ways: Ways) -> None:
    asked = ways.town.ann.slash(ways.fake.general, "claude", prompt="look", file=("a.png", PICTURE))
    await asked.settled()
    session = await ways.session_in(await ways.fake.general.wait_for_thread())
    turn = (await ways.turns(session))[-1].turn
    assert [each.name for each in turn.attachments] == ["a.png"]


async def test_what_cannot_be_taken_is_said_and_the_prompt_goes_on(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    ways.fake.site.world.files.clear()
    sent = ways.town.ann.send(thread, "look", files={"gone.txt": b"x"})
    ways.fake.site.world.files.clear()
    await thread.wait_for_message("“gone.txt” could not be fetched")
    await reached(session, lambda snapshot: snapshot.message_count == 2)
    assert (await ways.prompts(session))[-1] == "look"
    assert not (uploads_of(session.around.run_directory, session.id) / str(sent.id)).exists()


def into(root: Path) -> Store:
    root.mkdir(exist_ok=True)
    return partial(put_file, UploadPlace(root, "uploads"))


def small(fake: FakeDiscord) -> FaceOptions:
    return FaceOptions(file_hosts=options(fake).file_hosts, max_file_bytes=10, max_files_bytes=15)


async def serve(fake: FakeDiscord, town: Town, files: dict[str, bytes]) -> list[IncomingFile]:
    sent = town.ann.send(fake.general, "here", files=files)
    return [
        IncomingFile(
            each.filename, f"{fake.url}/cdn/attachments/{each.channel_id}/{each.id}/{each.filename}", 0
        )
        for each in sent.attachments
    ]


async def test_sizes_are_bounded_whatever_discord_claims(fake: FakeDiscord, town: Town, tmp_path: Path) -> None:
    files = await serve(fake, town, {"a": b"1234567890", "b": b"12345678901", "c": b"123456"})
    fetched = await fetch_files(into(tmp_path), "s", 1, files, small(fake))
    assert [each.name for each in fetched.files] == ["a"]
    assert ["too large" in each for each in fetched.troubles] == [True, True]
    assert [path.name for path in (tmp_path / "uploads" / "1").iterdir()] == ["a"]


async def test_no_link_in_the_work_directory_leads_out(fake: FakeDiscord, town: Town, tmp_path: Path) -> None:
    work, outside = tmp_path / "work", tmp_path / "outside"
    work.mkdir()
    outside.mkdir()
    (work / "uploads").symlink_to(outside)
    fetched = await fetch_files(into(work), "s", 1, await serve(fake, town, {"a": b"1"}), small(fake))
    assert "could not be stored" in fetched.troubles[0]
    assert list(outside.rglob("*")) == []


@pytest.mark.parametrize("step", ["mkdir", "unlink"])
async def test_a_link_that_is_laid_between_two_steps_leads_nowhere(
    fake: FakeDiscord, town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    work, outside = tmp_path / "work", tmp_path / "outside"
    work.mkdir()
    (outside / "1").mkdir(parents=True)
    real = getattr(os, step)

    def and_then(*given: Any, **more: Any) -> None:
        """As if a process of the session had been waiting for just this."""
        with contextlib.suppress(FileNotFoundError):
            real(*given, **more)
        laid = work / "uploads"
        if laid.is_dir() and not laid.is_symlink():
            laid.rename(tmp_path / "before")
            laid.symlink_to(outside)

    files = await serve(fake, town, {"a": b"1"})
    monkeypatch.setattr(os, step, and_then)
    fetched = await fetch_files(into(work), "s", 1, files, small(fake))
    assert [path for path in outside.rglob("*") if path.is_file()] == []
    assert bool(fetched.troubles) == (step == "mkdir")


async def test_redirects_are_not_followed(tmp_path: Path) -> None:
    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(redirect, "127.0.0.1", 0) as server:
        host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        file = IncomingFile("a", f"http://{host}/a", 1)
        fetched = await fetch_files(into(tmp_path), "s", 1, [file], FaceOptions(file_hosts=frozenset({host})))
    assert "status 302" in fetched.troubles[0]
