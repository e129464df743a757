"""Reads the document with the requirements of a run: a file of the project, or a text that came along."""

import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import api as c

MOST_BYTES = 128 * 1024
_TO_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Document:
    """A document and the reference that is kept of it."""

    reference: c.PrdReference
    text: str


def read_document(project: Path, wish: c.StartRun) -> Document | None:
    """Return the document that `wish` names, None without one. Raises `RunFieldWrong`."""
    if wish.prd_text:
        name = wish.prd_name.strip()[:100] or "requirements.md"
        return _document(name, "", "attached", wish.prd_text.encode("utf-8", "replace"))
    if not wish.prd_path:
        return None
    path = project / wish.prd_path
    try:
        resolved = path.resolve(strict=True)
        if not resolved.is_relative_to(project.resolve()):
            raise c.RunFieldWrong("prd path", "it lies outside the project")
        # A link that took its place after the check is refused by `O_NOFOLLOW`.
        descriptor = os.open(resolved, _TO_READ)
    except (OSError, RuntimeError, ValueError) as error:
        raise c.RunFieldWrong("prd path", "there is no such file in the project") from error
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        raise c.RunFieldWrong("prd path", "it is no file")
    with open(descriptor, "rb") as file:  # noqa: PTH123 (a descriptor has no path)
        data = file.read(MOST_BYTES + 1)
    changed = datetime.fromtimestamp(facts.st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _document(resolved.name, wish.prd_path, changed, data)


def _document(name: str, path: str, version: str, data: bytes) -> Document:
    if len(data) > MOST_BYTES:
        raise c.RunFieldWrong("prd", f"it is larger than {MOST_BYTES:,} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise c.RunFieldWrong("prd", "it is no UTF-8 text") from error
    return Document(c.PrdReference(name, path, version, sha256(data).hexdigest()), text)
