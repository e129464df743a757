"""A person's terminal for tests: the program in a window of a tmux of its own, which draws what it sends."""

import os
import re
import shlex
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.e2e.house import remove_socket, until

COLUMNS, ROWS = 110, 40
_LOOK_S = 0.1  # a look is a process of tmux: more of them would cost more than the program itself


class Terminal:
    """Runs `command` at once; closed at the end of the `with` block."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> None:
        self._socket = f"bridge-screen-{uuid.uuid4().hex[:12]}"
        self._code = cwd / f"exit-{uuid.uuid4().hex[:8]}"
        # The end of the program is written down, and the window stays for looking at it.
        script = f"{shlex.join(command)}; echo $? >{shlex.quote(str(self._code))}; exec sleep 1000"
        self._tmux(
            "new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), "-c", str(cwd),
            "env", "-i", *(f"{name}={value}" for name, value in environment.items()),
            "TERM=tmux-256color", "/bin/sh", "-c", script,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tmux("kill-server")
        remove_socket(self._socket)

    def text(self) -> str:
        """Everything on the screen and above it, wrapped lines joined."""
        return self._tmux("capture-pane", "-p", "-J", "-S", "-")

    def screen(self) -> str:
        """Return the screen as it is now."""
        return self._tmux("capture-pane", "-p", "-J")

    def type(self, text: str, *keys: str) -> None:
        """Type `text`, then press `keys` by their tmux names (Enter, C-c, Down …)."""
        if text:
            self._tmux("send-keys", "-l", text)
        for key in keys:
            self._tmux("send-keys", key)

    def send(self, text: str) -> None:
        """Type a line and press Enter."""
        self.type(text, "Enter")

    def until(self, pattern: str) -> str:
        """Wait until `pattern` (`^` and `$` are ends of lines) matches in the text; return all of it."""
        found: list[str] = []

        def seen() -> bool:
            found[:] = [self.text()]
            return re.search(pattern, found[0], re.MULTILINE) is not None

        try:
            until(seen, every_s=_LOOK_S)
        except AssertionError:
            raise AssertionError(f"{pattern!r} did not appear; the screen:\n{found[0]}") from None
        return found[0]

    def exit_code(self) -> int:
        """Wait for the program's end."""
        until(lambda: self._code.exists() and self._code.read_text().strip(), "the program did not end")
        return int(self._code.read_text())

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-f", "/dev/null", "-L", self._socket, *arguments],
            env={"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": "/"},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout
