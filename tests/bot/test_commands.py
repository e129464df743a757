"""The commands as a whole: each group has room for more, and every text names commands that exist."""

import re
from importlib import import_module
from pathlib import Path

from discord.ext import commands

from console.commands import GUIDE
from tests.bot.ways import Ways, core, fake, town, ways
from tests.fakes.discord_server.command_limits import command_size

__all__ = ["core", "fake", "town", "ways"]

ROOT = Path(__file__).parents[2]
MOST_SUBCOMMANDS = 22
MOST_CHARACTERS = 7_000


async def test_each_command_keeps_room_below_the_limits_of_discord(ways: Ways) -> None:
    registered = [each.to_dict(ways.client.tree) for each in ways.client.tree.get_commands()]
    assert {each["name"] for each in registered} >= {"session", "turn", "settings", "files", "admin", "claude"}
    sizes = {each["name"]: (len(each.get("options") or []), command_size(each)) for each in registered}
    too_large = {
        name: size for name, size in sizes.items() if size[0] > MOST_SUBCOMMANDS or size[1] > MOST_CHARACTERS
    }
    assert too_large == {}


async def test_the_commands_of_every_file_are_added(ways: Ways) -> None:
    files = [path.stem for path in (ROOT / "bot" / "cogs").glob("*.py") if path.stem != "__init__"]
    defined = {
        each
        for name in files
        for each in vars(import_module(f"bot.cogs.{name}")).values()
        if isinstance(each, type) and issubclass(each, commands.Cog) and each.__module__.startswith("bot.")
    }
    assert defined == {type(cog) for cog in ways.client.cogs.values()}


async def test_every_text_names_commands_that_exist(ways: Ways) -> None:
    known = {each.qualified_name for each in ways.client.tree.walk_commands()}
    in_terminal = {" ".join(each.lstrip("/").split()[:2]) for each in GUIDE}
    groups = {name.partition(" ")[0] for name in known if " " in name}
    named = re.compile(rf"/({'|'.join(sorted(groups))}) ([a-z][a-z-]*)")
    texts = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").rglob("*.md")]
    for room in ("api", "bot", "bridge", "console", "service", "sessions"):
        texts += (ROOT / room).rglob("*.py")
    unknown = {
        (text.name, " ".join(found))
        for text in texts
        for found in named.findall(text.read_text())
        if " ".join(found) not in known | in_terminal
    }
    assert unknown == set()
