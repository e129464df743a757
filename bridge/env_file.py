"""The file `.env`: values put into its text, the rest left as it is; written whole, for its user only."""

import io
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

_PLAIN = re.compile(r"[\w./:@%+,~=-]*", re.ASCII)


def read_values(path: Path) -> dict[str, str]:
    """What the file says, by name; empty if there is none. Raises `OSError`, `UnicodeDecodeError`."""
    if not path.exists():
        return {}
    text = path.read_text(encoding="utf-8")
    return {name: value or "" for name, value in dotenv_values(stream=io.StringIO(text)).items()}


def with_values(text: str, values: Mapping[str, str]) -> str:
    """`text` with each of `values` set: in the line that sets it, or that shows its default, or at the end."""
    waiting = dict(values)
    pieces: list[str] = []
    for binding in parse_stream(io.StringIO(text)):
        original = binding.original.string
        if binding.key is not None and binding.key in values:
            # The last line of a name counts; all of them say the same afterwards.
            before = original[: len(original) - len(original.lstrip())]
            pieces.append(f"{before}{_line(binding.key, values[binding.key])}")
            waiting.pop(binding.key, None)
        else:
            pieces.append(original)
    found = "".join(pieces)
    for name in list(waiting):
        shown = re.compile(rf"^#{name}=.*\n?", re.MULTILINE)
        if shown.search(found):
            line = _line(name, waiting.pop(name))
            found = shown.sub(lambda _, line=line: line, found, count=1)  # type: ignore[misc]  # bound at once
    if waiting and found and not found.endswith("\n"):
        found += "\n"
    return found + "".join(_line(name, value) for name, value in waiting.items())


def write_whole(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace the file in one step, with its mode from the first byte on. Raises `OSError`."""
    target = path.resolve()
    draft = target.with_name(f"{target.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(
            os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8"
        ) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _line(name: str, value: str) -> str:
    if _PLAIN.fullmatch(value):
        return f"{name}={value}\n"
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{name}='{escaped}'\n"
