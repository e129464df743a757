"""Every command of the bot. Each other file of this package is one group; all of them go through `entry.py`."""

from discord.ext import commands

from bot.cogs.parts import CommandParts


async def add_cogs(bot: commands.Bot, parts: CommandParts) -> None:
    """Add every command to the tree of `bot`."""
    from bot.cogs.admin import AdminCommands
    from bot.cogs.ask import AskCommands
    from bot.cogs.backup import BackupCommands
    from bot.cogs.branch import BranchCommands
    from bot.cogs.changes import ChangesCommands
    from bot.cogs.channel import ChannelCommands
    from bot.cogs.checkpoint import CheckpointCommands
    from bot.cogs.files import FilesCommands
    from bot.cogs.help import HelpCommand
    from bot.cogs.note import NoteCommands
    from bot.cogs.session import SessionCommands
    from bot.cogs.settings import SettingsCommands
    from bot.cogs.turn import TurnCommands
    from bot.cogs.web import WebCommand
    from bot.cogs.workflow import WorkflowCommands

    groups = (
        SessionCommands,
        TurnCommands,
        BranchCommands,
        ChangesCommands,
        CheckpointCommands,
        BackupCommands,
        SettingsCommands,
        FilesCommands,
        ChannelCommands,
        WorkflowCommands,
        AdminCommands,
    )
    for cog in (
        AskCommands(parts, bot.tree),
        HelpCommand(parts, bot.tree),
        WebCommand(parts),
        NoteCommands(parts),
        *(group(parts) for group in groups),
    ):
        await bot.add_cog(cog)
