"""Runs a module as `python -m` would, with discord.py pointed at the fake: for a bot in a process of its own.

Not in the fake's own package: importing that would make each bot of a test load the whole fake server.

`FAKE_DISCORD_URL=http://127.0.0.1:PORT python -m tests.fakes.run_bot MODULE [ARGUMENT …]`
"""

from __future__ import annotations

import os
import runpy
import sys


def main() -> None:
    """Redirect, then become MODULE with its arguments."""
    # The program sets this before it imports discord.py, which the redirection imports here.
    os.environ.setdefault("FROZENLIST_NO_EXTENSIONS", "1")
    from tests.fakes.discord_redirect import URL_VARIABLE, point_discord_py_at

    if len(sys.argv) < 2 or URL_VARIABLE not in os.environ:
        sys.exit(f"usage: {URL_VARIABLE}=http://127.0.0.1:PORT python -m {__spec__.name} MODULE [ARGUMENT …]")
    point_discord_py_at(os.environ[URL_VARIABLE])
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
