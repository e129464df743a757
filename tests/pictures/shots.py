"""Make pictures of snapshots with a headless Chromium: `python -m tests.pictures.shots [SNAPSHOT …]`.

Without names, makes those of `docs/discord.md` in `docs/pictures/`; with names, into a new directory in the
system's temporary one, for review.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.pictures.phone import WIDTH, page
from tests.pictures.small_png import small_png

PROJECT = Path(__file__).parents[2]
SNAPSHOTS = PROJECT / "tests/bot/snapshots"
DOCUMENT = PROJECT / "docs/discord.md"
PICTURES = PROJECT / "docs/pictures"
_QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
_MEASURE = "<script>document.title = document.documentElement.scrollHeight</script>"


def pictures_of_document() -> list[str]:
    """Return the names of the pictures in `docs/discord.md`, without ending, in order."""
    return re.findall(r"\]\(pictures/([a-z_]+)\.png\)", DOCUMENT.read_text())


def take(snapshot: str, target: Path, browser: str = "chromium") -> None:
    """Write the picture of `snapshot` (its text) to `target`. Raises `CalledProcessError`."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "page.html")
        file.write_text(page(snapshot))
        measured = Path(scratch, "measured.html")
        measured.write_text(page(snapshot) + _MEASURE)
        common = [browser, *_QUIET, f"--user-data-dir={scratch}/profile"]
        dom = _run([*common, f"--window-size={WIDTH},200", "--dump-dom", measured.as_uri()])
        found = re.search(r"<title>(\d+)</title>", dom)
        height = int(found[1]) if found is not None else 800
        _run([*common, f"--window-size={WIDTH},{height}", f"--screenshot={target}", file.as_uri()])
    target.write_bytes(small_png(target.read_bytes()))


def _run(argv: list[str]) -> str:
    # The arguments are ours: no shell, no text of a user.
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout


def main(names: list[str]) -> None:
    """Make the pictures and print their paths and sizes."""
    directory = Path(tempfile.mkdtemp(prefix="pictures-")) if names else PICTURES
    for name in names or pictures_of_document():
        target = directory / f"{name}.png"
        take((SNAPSHOTS / f"{name}.txt").read_text(), target)
        print(f"{target}  {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
