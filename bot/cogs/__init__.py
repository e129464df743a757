"""The commands. Each file is one group; all of them come in through `entry.py`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.client import BridgeClient


async def add_cogs(client: "BridgeClient") -> None:
    """Add every command to the client's tree."""
    from bot.cogs.admin import AdminCommands
    from bot.cogs.ask import AskCommands
    from bot.cogs.channel import ChannelCommands
    from bot.cogs.files import FilesCommands
    from bot.cogs.help import HelpCommand
    from bot.cogs.session import SessionCommands
    from bot.cogs.settings import SettingsCommands
    from bot.cogs.turn import TurnCommands

    groups = (SessionCommands, TurnCommands, SettingsCommands, FilesCommands, ChannelCommands, AdminCommands)
    for cog in (AskCommands, HelpCommand, *groups):
        await client.add_cog(cog(client))
