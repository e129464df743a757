"""The tree of commands. `Entry` admits each command, and answers its errors."""

from typing import Any, Protocol

from discord import app_commands

from bot.entry import Entry, Interaction
from bot.errors import Refused

_COMMANDS_CHANGED = (
    "The commands have changed. Reload Discord (Ctrl+R; on a phone, close the app) and use the command again."
)


class Door(Protocol):
    """The client as its tree of commands sees it."""

    entry: Entry

    async def admit(self, interaction: Interaction) -> bool:
        """Return whether to carry the command out; if not, answer it."""
        ...


class Tree(app_commands.CommandTree[Any]):
    """The commands; `Entry` admits each of them. The tree's client must be a `Door`."""

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        door: Door = self.client
        # `admit` raises nothing: an exception here would reach no handler, and nobody would be answered.
        return await door.admit(interaction)

    async def on_error(self, interaction: Interaction, error: app_commands.AppCommandError, /) -> None:
        door: Door = self.client
        await door.entry.settle(interaction, _cause(error))


def _cause(error: app_commands.AppCommandError) -> BaseException:
    match error:
        case app_commands.CommandInvokeError():
            return error.original
        # Clients of Discord keep old commands until they are reloaded.
        case app_commands.CommandNotFound() | app_commands.CommandSignatureMismatch():
            return Refused(_COMMANDS_CHANGED)
        case app_commands.TransformerError():
            return Refused(f"“{error.value}” is not a value of this option.")
        case _:
            return error
