"""The keys of the control socket: a client proves with its first line that it can read a private file.

`run/control.key` lets a process act as the user of this machine's terminal. `run/web.key` lets the web process
name other people as well. Each holds 256 bits as text, mode 0600, and is new at every start. A process in a
sandbox can read neither; without a sandbox the keys are only a hurdle.
"""

import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_BYTES = 32


class KeyKind(StrEnum):
    """The key that a client has; the value is the file's name."""

    TERMINAL = "control.key"
    WEB = "web.key"


@dataclass(frozen=True, slots=True)
class ControlKeys:
    """The keys of one run of the owner."""

    of_kind: dict[KeyKind, str]

    def kind_of(self, offered: str) -> KeyKind | None:
        """Return the kind of the key `offered`, or None if it is no key. Takes the same time for each."""
        # A text may hold lone surrogates, and `compare_digest` takes only bytes or ASCII.
        sent = offered.encode("utf-8", "surrogatepass")
        # All keys are compared, so that the time says nothing about the one that matches.
        matching = [kind for kind, key in self.of_kind.items() if hmac.compare_digest(key.encode(), sent)]
        return matching[0] if matching else None


def make_keys(data_dir: Path) -> ControlKeys:
    """Make new keys in `data_dir`, each replaced in one step. The caller owns `data_dir`. Raises `OSError`."""
    keys = {kind: secrets.token_hex(_BYTES) for kind in KeyKind}
    for kind, key in keys.items():
        _write_private(_path(data_dir, kind), key)
    return ControlKeys(keys)


def read_key(data_dir: Path, kind: KeyKind) -> str:
    """Return the present key. Raises `OSError` if this process cannot read it."""
    return _path(data_dir, kind).read_text("ascii", "replace").strip()


def remove_keys(data_dir: Path) -> None:
    """Delete the key files. No error if they no longer exist."""
    for kind in KeyKind:
        with suppress(OSError):
            _path(data_dir, kind).unlink()


def _path(data_dir: Path, kind: KeyKind) -> Path:
    return data_dir / "run" / kind.value


def _write_private(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.tmp")
    # A killed start may have left one, and O_EXCL below refuses it.
    draft.unlink(missing_ok=True)
    # The mode is right from the first byte on. O_EXCL and O_NOFOLLOW: nobody else's file gets the key.
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
        file.write(text + "\n")
    draft.replace(path)
