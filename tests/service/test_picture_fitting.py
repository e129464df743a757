"""Pictures become such that Claude sees them, within limits, whatever they are."""

import asyncio
import io
import resource
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from service.picture_fitting import MOST_SIDE, fit
from sessions import pictures
from sessions.model import Attachment
from sessions.pictures import MOST_BYTES, is_seen

pillow_heif.register_heif_opener()


def encoded(kind: str, size: tuple[int, int] = (60, 40), mode: str = "RGB", **how: object) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, "red").save(out, kind, **how)
    return out.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded("HEIF", exif=exif.tobytes())


def noise() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((2400, 2200), 100).save(out, "PNG")
    return out.getvalue()


def bomb() -> bytes:
    """A PNG of a few kilobytes with 2.5 thousand million pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(10_000_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


async def fitted(tmp_path: Path, name: str, kind: str, data: bytes, size: int | None = None) -> Attachment:
    (tmp_path / "7").mkdir()
    path = tmp_path / "7" / name
    path.write_bytes(data)
    return await fit(Attachment(f"uploads/7/{name}", name, kind, size or len(data)), path)


@pytest.mark.parametrize(
    ("name", "kind", "make", "most"),
    [
        ("a.heic", "image/heic", lambda: encoded("HEIF"), (60, 40)),
        ("a.HEIC", "application/octet-stream", turned, (60, 60)),
        ("a.bmp", "image/bmp", lambda: encoded("BMP"), (60, 40)),
        ("a.tiff", "image/tiff", lambda: encoded("TIFF", mode="RGBA"), (60, 40)),
        ("a.png", "image/png", noise, (MOST_SIDE, MOST_SIDE)),
    ],
)
async def test_a_picture_becomes_one_that_claude_sees(
    tmp_path: Path, name: str, kind: str, make: Callable[[], bytes], most: tuple[int, int]
) -> None:
    file = await fitted(tmp_path, name, kind, make())
    assert is_seen(file)
    assert (file.path, file.name) == (f"uploads/7/{name}.jpg", f"{name}.jpg")
    stored = tmp_path / "7" / file.name
    assert stored.stat().st_mode & 0o777 == 0o600
    with Image.open(stored) as picture:
        assert picture.format == "JPEG"
        assert picture.width <= most[0]
        assert picture.height <= most[1]
    assert sorted(path.name for path in (tmp_path / "7").iterdir()) == sorted([name, file.name])


@pytest.mark.parametrize(
    ("name", "kind", "make"),
    [
        ("a.heic", "image/heic", lambda: b"x"),
        ("a.heic", "image/heic", lambda: encoded("HEIF")[:200]),
        ("a.png", "image/png", bomb),
        ("a.bmp", "image/bmp", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n"),
    ],
)
async def test_what_is_no_picture_or_too_much_stays_a_file(
    tmp_path: Path, name: str, kind: str, make: Callable[[], bytes]
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    file = await fitted(tmp_path, name, kind, make(), size=MOST_BYTES + 1)
    assert (file.name, is_seen(file)) == (name, False)
    assert [path.name for path in (tmp_path / "7").iterdir()] == [name]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


async def test_without_the_extra_every_file_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "_installed", lambda module: False)
    assert (await fitted(tmp_path, "a.heic", "image/heic", encoded("HEIF"))).name == "a.heic"


async def test_a_picture_that_is_seen_starts_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse)
    assert (await fitted(tmp_path, "a.png", "image/png", encoded("PNG"))).name == "a.png"
    assert (await fit(Attachment("uploads/7/a.mp4", "a.mp4", "video/mp4", 9), tmp_path / "x")).name == "a.mp4"
