"""Make pictures fit for Claude: HEIC and other kinds become JPEG, large ones become smaller.

Needs the extra `images`. A picture from outside may attack its decoder or grow to gigabytes, so it is read in a
process of its own with limits on memory, time and pixels. Run as a program, this module is that process: the
picture and the place for the result as arguments.
"""

import os
import resource
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from sessions.model import Attachment
from sessions.pictures import MOST_BYTES, can_be_fitted

MOST_PIXELS = 120_000_000
MOST_SIDE = 2_000
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF")
_MEMORY_BYTES = 2 << 30
_CPU_S = 20
_DEADLINE_S = 60.0
_QUALITIES = (88, 75, 60)


async def fit(file: Attachment, path: Path) -> Attachment:
    """Return the file that Claude can see: a JPEG beside `path`, or `file` itself if that is not possible.

    The original stays. A repeated call gives the same result. Cancelling ends the second process.
    """
    if not can_be_fitted(file):
        return file
    made = path.with_name(f"{path.name}.jpg")
    part = path.with_name(f".{path.name}.jpg.part")
    try:
        if not await _converted(path, part):
            return file
        part.replace(made)
        size = made.stat().st_size
    except OSError:
        return file
    finally:
        part.unlink(missing_ok=True)
    return replace(file, path=f"{file.path}.jpg", name=f"{file.name}.jpg", media_type="image/jpeg", size=size)


async def _converted(path: Path, part: Path) -> bool:
    from machine.limited_process import run_module  # few pictures need it, and every start reads this file

    try:
        exited = await run_module("service.picture_fitting", str(path), str(part), deadline_s=_DEADLINE_S)
    except TimeoutError:
        return False
    return exited.code == 0


def main(arguments: Sequence[str]) -> int:
    """Convert one picture within the limits. Any error ends the process with a traceback and code 1."""
    source, target = map(Path, arguments)
    # Before the decoders are loaded, and so before they see a byte of the picture.
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 * MOST_BYTES, 4 * MOST_BYTES))
    from PIL import Image, ImageOps

    _know_heic()
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
    # Pillow knows many more formats, and each decoder is one more to attack.
    with os.fdopen(descriptor, "rb") as stream, Image.open(stream, formats=_FORMATS) as opened:
        # Known from the header, before a pixel is decoded.
        if opened.width * opened.height > MOST_PIXELS:
            return 2
        opened.draft("RGB", (MOST_SIDE, MOST_SIDE))  # a JPEG is decoded at a fraction of its size
        # The JPEG gets no EXIF, so the picture is turned as the camera meant it.
        picture = ImageOps.exif_transpose(opened)
        picture.thumbnail((MOST_SIDE, MOST_SIDE))
        # JPEG has no transparency, so white shows through.
        if picture.mode != "RGB":
            colours = picture.convert("RGBA")
            picture = Image.new("RGB", colours.size, "white")
            picture.paste(colours, mask=colours.getchannel("A"))
    for quality in _QUALITIES:
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            picture.save(out, "JPEG", quality=quality)
        if target.stat().st_size <= MOST_BYTES:
            return 0
    return 2


def _know_heic() -> None:
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
