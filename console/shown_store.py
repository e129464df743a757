"""Remembers, across restarts and kills, what this terminal has shown of each session, and the open session.

It keeps one small JSON file per session below `<data>/console` and replaces it as a whole. After a kill between
showing and writing, the last piece is shown again; nothing is ever left out.
"""

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from console.view import View
from sessions.model import is_session_id

_views = msgspec.json.Decoder(View)


class ShownStore:
    """The files in `directory`, which the first write makes (mode 0700, files 0600)."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def load(self, session_id: str) -> View | None:
        """Return the view shown last of the session; None if there is none, or another version wrote it."""
        try:
            view = _views.decode(self._path(session_id).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        return view if view.session_id == session_id else None

    def save(self, view: View) -> None:
        """Store `view`. Errors such as a full disk are ignored: they must not stop a conversation."""
        with suppress(OSError):
            self._write(self._path(view.session_id), msgspec.json.encode(view))

    def current(self) -> str:
        """Return the session that was open last; empty if there was none."""
        with suppress(OSError, UnicodeDecodeError):
            known = (self._directory / "current").read_text("ascii").strip()
            if is_session_id(known):
                return known
        return ""

    def set_current(self, session_id: str) -> None:
        """Store the session to open next time; empty for none."""
        with suppress(OSError):
            self._write(self._directory / "current", session_id.encode())

    def _path(self, session_id: str) -> Path:
        # It becomes a file's name.
        if not is_session_id(session_id):
            raise ValueError("no session id")
        return self._directory / f"{session_id}.json"

    def _write(self, path: Path, data: bytes) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Two terminals may show one session: each has a draft of its own.
        draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
        draft.replace(path)
