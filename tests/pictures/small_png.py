"""Make a PNG small: at most 64 colours, best compression. Reads what Chromium writes (8 bits, RGB or RGBA)."""

import struct
import zlib
from collections import Counter

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOURS = 64


def small_png(data: bytes) -> bytes:
    """Return the picture `data` with its most frequent colours only; transparency is dropped."""
    width, height, pixels = _pixels(data)
    palette = [colour for colour, _ in Counter(pixels).most_common(_COLOURS)]
    nearest = {colour: palette.index(_nearest(colour, palette)) for colour in set(pixels)}
    indexes = bytes(nearest[colour] for colour in pixels)
    rows = b"".join(b"\0" + indexes[at : at + width] for at in range(0, width * height, width))
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", bytes(sum(palette, ()))),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    )
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _nearest(colour: tuple[int, ...], palette: list[tuple[int, ...]]) -> tuple[int, ...]:
    return min(palette, key=lambda each: sum((a - b) ** 2 for a, b in zip(each, colour, strict=True)))


def _pixels(data: bytes) -> tuple[int, int, list[tuple[int, ...]]]:
    at, packed = len(_SIGNATURE), b""
    width = height = size = 0
    while at < len(data):
        (length,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, _, colour_type = struct.unpack(">IIBB", body[:10])
            size = {2: 3, 6: 4}[colour_type]
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    rows = _unfiltered(zlib.decompress(packed), width * size, size)
    return width, height, [tuple(row[n : n + 3]) for row in rows for n in range(0, len(row), size)]


def _unfiltered(raw: bytes, stride: int, size: int) -> list[bytearray]:
    """Undo the filters of PNG (RFC 2083, 6): each row is stored as differences to its neighbours."""
    rows, above = list[bytearray](), bytearray(stride)
    for start in range(0, len(raw), stride + 1):
        kind, row = raw[start], bytearray(raw[start + 1 : start + 1 + stride])
        for n in range(stride):
            left = row[n - size] if n >= size else 0
            corner = above[n - size] if n >= size else 0
            row[n] = (row[n] + _predicted(kind, left, above[n], corner)) & 255
        rows.append(row)
        above = row
    return rows


def _predicted(kind: int, left: int, up: int, corner: int) -> int:
    match kind:
        case 1:
            return left
        case 2:
            return up
        case 3:
            return (left + up) // 2
        case 4:
            guess = left + up - corner
            return min((left, up, corner), key=lambda each: abs(guess - each))
        case _:
            return 0
