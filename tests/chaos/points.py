"""Every named crash point of the project, found in the source, so that a new one cannot be forgotten."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
_CALL = re.compile(r'crash_(?:point|in_write)\(\s*"([^"]+)"')
_PACKAGES = ("backends", "bot", "bridge", "console", "service", "sessions", "storage")


def crash_points() -> dict[str, str]:
    """Each point's name with the package that passes it."""
    found: dict[str, str] = {}
    for package in _PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            for name in _CALL.findall(path.read_text(encoding="utf-8")):
                found[name] = package
    return found
