"""The tree of commands: all come in through `Entry`, and whatever goes wrong with one is answered there."""

from typing import TYPE_CHECKING

from discord import app_commands

from bot.entry import Interaction
from bot.errors import Refused

if TYPE_CHECKING:
    from bot.client import BridgeClient  # noqa: F401 (it is in the quoted type below)

_COMMANDS_CHANGED = (
    "The commands have changed. Reload Discord (Ctrl+R; on a phone, close the app) and use the command again."
)


class Tree(app_commands.CommandTree["BridgeClient"]):
    """The commands; every one comes in through `Entry`."""

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        return await self.client.admit(interaction)

    async def on_error(self, interaction: Interaction, error: app_commands.AppCommandError, /) -> None:
        await self.client.entry.settle(interaction, _cause(error))


def _cause(error: app_commands.AppCommandError) -> BaseException:
    match error:
        case app_commands.CommandInvokeError():
            return error.original
        case app_commands.CommandNotFound() | app_commands.CommandSignatureMismatch():
            return Refused(_COMMANDS_CHANGED)
        case app_commands.TransformerError():
            return Refused(f"“{error.value}” is not something that this option takes.")
        case _:
            return error
