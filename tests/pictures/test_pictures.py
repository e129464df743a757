"""Pictures of what a person sees: the document's pictures exist and are small; every snapshot can be drawn."""

import re
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.pictures.phone import page, read_snapshot
from tests.pictures.shots import DOCUMENT, PICTURES, SNAPSHOTS, pictures_of_document
from tests.pictures.small_png import small_png

_VOID = {"meta"}


class Tags(HTMLParser):
    """Checks that tags nest, and collects the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize("path", sorted(SNAPSHOTS.glob("*.txt")), ids=lambda path: path.stem)
def test_every_snapshot_can_be_drawn(path: Path) -> None:
    snapshot = path.read_text()
    tags = Tags()
    tags.feed(page(snapshot))
    assert tags.open == []
    shown = "".join(tags.text)
    for label in re.findall(r"^ *(?:\| )?\[([\w ]+)\]", snapshot, re.MULTILINE):
        assert label in shown
    if snapshot.startswith("# "):  # a channel, not a list of replies
        assert {each.author for each in read_snapshot(snapshot)[1]} <= {"", "Bridge", "ann", "bob"}


def test_text_of_a_snapshot_is_no_html() -> None:
    drawn = page("# <script>x</script> (thread)\nann:\n  <script>alert(1)</script> `<b>` **<i>**\n")
    assert not re.search("<script>|<b><|<i>", drawn)


def test_the_pictures_of_the_document_exist_and_are_small() -> None:
    names = pictures_of_document()
    assert len(names) >= 5
    shown = "".join(path.read_text() for path in (DOCUMENT, DOCUMENT.parents[1] / "README.md"))
    assert [path.name for path in PICTURES.iterdir() if path.name not in shown] == []
    for name in names:
        data = (PICTURES / f"{name}.png").read_bytes()
        assert data.startswith(b"\x89PNG")
        assert len(data) <= 40 * 1024
        assert (SNAPSHOTS / f"{name}.txt").exists()


def test_a_small_png_shows_the_same_points() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    # Three rows of two points, each row with another filter: none, left, up.
    rows = bytes((0, 1, 2, 3, 4, 5, 6)) + bytes((1, 9, 9, 9, 1, 1, 1)) + bytes((2, 0, 0, 0, 0, 0, 0))
    header = struct.pack(">IIBBBBB", 2, 3, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    made = small_png(b"\x89PNG\r\n\x1a\n" + chunks)
    palette = made[made.index(b"PLTE") + 4 :]
    at = made.index(b"IDAT")
    (length,) = struct.unpack(">I", made[at - 4 : at])
    points = zlib.decompress(made[at + 4 : at + 4 + length])
    shown = [[tuple(palette[3 * n : 3 * n + 3]) for n in points[row : row + 2]] for row in (1, 4, 7)]
    lower = [(9, 9, 9), (10, 10, 10)]
    assert shown == [[(1, 2, 3), (4, 5, 6)], lower, lower]
