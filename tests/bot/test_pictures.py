"""Pictures of a turn: shown once under its answer, only real pictures from inside the project, at most four."""

import os
import shutil
import stat
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from sessions.model import Block, Text, ToolCall, ToolOutput
from storage import Statement
from tests.bot.room import Room, room, watched
from tests.bot.room import patient as patient  # noqa: PLC0414
from tests.bot.test_view_core import show
from tests.fakes.discord_server import FakeDiscord
from tests.sessions.running_core import idle, reached


def png(shade: int) -> bytes:
    """A picture of one point, different for each shade."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes([0, shade]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def used(
    name: str, output: str = "", *, paths: tuple[str, ...] = (), pictures: int = 0, **given: str
) -> list[Block]:
    number = f"t{name}{sorted(given.items())}{paths}"
    return [ToolCall(number, name, dict(given)), ToolOutput(number, output, paths=paths, pictures=pictures)]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project `shop` with pictures, things that only look like pictures, and a link out."""
    root = tmp_path / "workspaces" / "shop"
    (root / "out dir").mkdir(parents=True)
    (root / ".git").mkdir()
    for number, name in enumerate(
        ("a.png", "b.png", "c.png", "d.png", "e.png", "out dir/plot 1.png", ".git/x.png")
    ):
        (root / name).write_bytes(png(number))
    (root / "photo.png").write_bytes(b"\xff\xd8\xff\xe0 a JPEG with the wrong ending")
    (root / "uploads/1576698854617645059").mkdir(parents=True)
    (root / "uploads/1576698854617645059/mine.png").write_bytes(png(70))
    (root / "copy.png").write_bytes(png(0))
    (root / "words.png").write_text("no picture")
    (tmp_path / "secret.png").write_bytes(png(99))
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    (root / "huge.png").write_bytes(png(7) + b"\0" * 9_000_000)
    (root / "old.png").write_bytes(png(50))
    os.utime(root / "old.png", (1_000_000, 1_000_000))
    return root


def pictures(r: Room) -> list[tuple[str, list[str]]]:
    """The posts with files: their text, and the names of the files."""
    found = [(m.text, [each.filename for each in m.attachments]) for m in r.thread.from_bot]
    return [(text, names) for text, names in found if names]


SHOWN: dict[str, tuple[Sequence[Block], list[str]]] = {
    "linked": ([Text("See ![chart](a.png) and [another](./b.png).")], ["a.png", "b.png"]),
    "linked with blanks, title or as HTML": (
        [Text('![x](<out dir/plot 1.png> "Plot")\n![y](out%20dir/plot%201.png)\n<img alt="z" src="c.png">')],
        ["plot 1.png", "c.png"],
    ),
    "linked by reference": ([Text("![chart][one]\n\n[one]: a.png")], ["a.png"]),
    "in code or on the web": (
        [Text("`![x](a.png)`\n```\n![x](b.png)\n```\n![x](https://example.org/c.png)")],
        [],
    ),
    "written": (used("Write", file_path="/srv/workspaces/shop/a.png", paths=("a.png",)), ["a.png"]),
    "read": (used("Read", file_path="b.png", pictures=1), ["b.png"]),
    "read, but a person posted it here": (
        used("Read", file_path="uploads/1576698854617645059/mine.png", pictures=1),
        [],
    ),
    "made by a command": (
        [
            *used("Bash", "saved c.png, old.png and /etc/d.png", command="python plot.py"),
            Text("The chart is `d.png`."),
        ],
        ["c.png", "d.png"],
    ),
    "only listed": (used("Glob", "a.png\nb.png", pattern="*.png"), []),
    "the same picture twice": ([Text("![x](a.png) ![x](copy.png) ![x](./a.png)")], ["a.png"]),
    "not there, no picture, outside, hidden, too large": (
        [
            Text(
                "![1](none.png) ![2](words.png) ![3](../../secret.png) ![4](link.png) ![5](.git/x.png)"
                " ![6](huge.png) ![7](/etc/passwd.png) ![8](file:///etc/hostname.png)"
            )
        ],
        [],
    ),
    "the ending is that of the content": ([Text("![x](photo.png)")], ["photo.jpg"]),
}


@pytest.mark.parametrize("name", SHOWN)
async def test_pictures_of_a_turn_are_shown_below_its_answer(
    patient: FakeDiscord, tmp_path: Path, project: Path, name: str
) -> None:
    blocks, expected = SHOWN[name]
    async with room(patient, tmp_path) as r:
        r.stage.files = project
        await r.session.prompt("Draw")
        for made in ("c.png", "d.png"):
            (project / made).write_bytes((project / made).read_bytes())
        await r.session.add(*blocks)
        await r.session.end()
        await r.settled()
        assert [names for _, names in pictures(r)] == ([expected] if expected else [])


RETURNED = {
    "of a tool without a file": ("demo:screenshot a.png", ["take_screenshot.png"], ""),
    "the same one twice": ("demo:screenshot a.png demo:screenshot a.png", ["take_screenshot.png"], ""),
    "more than four": (
        " ".join(f"demo:screenshot {name}.png" for name in "abcde"),
        ["take_screenshot.png", *(f"take_screenshot-{n}.png" for n in (2, 3, 4))],
        "1 more picture not shown",
    ),
    "read in the project": ("demo:read a.png", ["a.png"], ""),
    "read outside of it": ("demo:read ../../secret.png", ["secret.png"], ""),
    "read, and the project protects it": ("demo:read .git/x.png", [], ""),
    "read, but a person posted it here": ("demo:read uploads/1576698854617645059/mine.png", [], ""),
    "a result that is no picture": ("demo:screenshot words.png", [], ""),
    "a picture that is too large": ("demo:screenshot huge.png", [], ""),
}


@pytest.mark.parametrize("name", RETURNED)
async def test_pictures_that_a_tool_returns_are_shown_without_their_paths(
    patient: FakeDiscord, tmp_path: Path, project: Path, name: str
) -> None:
    prompt, expected, words = RETURNED[name]
    async with show(patient, tmp_path) as s:
        work = Path(s.session.snapshot.work_directory)
        shutil.copytree(project, work, dirs_exist_ok=True, symlinks=True)
        (work.parent.parent / "secret.png").write_bytes(png(99))
        await s.core.say(s.session, prompt, user="discord:1")
        await reached(s.session, lambda snapshot: snapshot.message_count == 1)
        await idle(s.session)
        await s.view.settled()
        posts = [one for one in s.thread.from_bot if one.attachments]
        assert [[each.filename for each in one.attachments] for one in posts] == (
            [expected] if expected else []
        )
        assert all(words in one.text and str(tmp_path) not in one.text for one in posts)
        kept = tmp_path.rglob("returned/*")
        assert all(stat.S_IMODE(each.stat().st_mode) == 0o600 for each in kept)


async def test_at_most_four_are_shown_and_the_rest_is_named(
    patient: FakeDiscord, tmp_path: Path, project: Path
) -> None:
    async with room(patient, tmp_path) as r:
        r.stage.files = project
        await r.session.prompt("Draw")
        await r.session.add(Text(" ".join(f"![{n}]({n}.png)" for n in "abcde")))
        await r.session.end()
        await r.settled()
        ((text, names),) = pictures(r)
        assert names == ["a.png", "b.png", "c.png", "d.png"]
        assert text.endswith("1 more picture in *Files*")
        assert "Files (5)" in r.thread.snapshot()


async def test_pictures_are_posted_once_and_stay_as_they_were(
    patient: FakeDiscord, tmp_path: Path, project: Path
) -> None:
    async with room(patient, tmp_path) as r:
        r.stage.files = project
        await r.session.prompt("Draw")
        await r.session.add(Text("![x](a.png)"))
        await r.session.end()
        await r.settled()
        (project / "a.png").write_bytes(png(200))
        await r.session.prompt("And now?")
        await r.session.add(Text("Nothing to draw."))
        await r.session.end()
        await r.settled()
        before = [message.id for message in r.thread.from_bot]
        await r.view.__aexit__(None, None, None)
        # As if the bot had been killed before it noted what it had shown.
        await r.stage.db.write([Statement("UPDATE places SET shown_event = 0")])
        async with watched(patient, r.stage) as view:
            await view.settled(r.session.id)
        assert [message.id for message in r.thread.from_bot] == before
        assert [message.attachments[0].data for message in r.thread.from_bot if message.attachments] == [png(0)]
