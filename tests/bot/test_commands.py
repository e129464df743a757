"""The commands as a whole: each group has room for more, and every text names commands that exist."""

import re
from pathlib import Path

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


async def test_every_text_names_commands_that_exist(ways: Ways) -> None:
    commands = {each.qualified_name for each in ways.client.tree.walk_commands()}
    in_terminal = {" ".join(each.lstrip("/").split()[:2]) for each in GUIDE}
    groups = {name.partition(" ")[0] for name in commands if " " in name}
    named = re.compile(rf"/({'|'.join(sorted(groups))}) ([a-z][a-z-]*)")
    texts = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").rglob("*.md")]
    for room in ("api", "bot", "bridge", "console", "service", "sessions"):
        texts += (ROOT / room).rglob("*.py")
    unknown = {
        (text.name, " ".join(found))
        for text in texts
        for found in named.findall(text.read_text())
        if " ".join(found) not in commands | in_terminal
    }
    assert unknown == set()
