"""The whole program, with discord.py pointed at the fake Discord of the environment; for the nursery."""

import os
import sys

from bridge import discord_face
from bridge.__main__ import main
from tests.fakes.discord_redirect import URL_VARIABLE, point_discord_py_at

IMPORTED_LATE = ("bridge.cli", "bridge.cli_run", "bridge.wiring", "bot.cogs")
_READY_S = 0.1


def run(*arguments: str) -> int:
    """Be `claude-bridge` with these arguments."""
    point_discord_py_at(os.environ[URL_VARIABLE])
    defaults = vars(discord_face.connection)["__wrapped__"].__kwdefaults__
    # discord.py waits so long for one more guild before it is ready.
    assert defaults["guild_ready_timeout"] > _READY_S
    defaults["guild_ready_timeout"] = _READY_S
    sys.argv = ["claude-bridge", *arguments]
    return main(arguments)
