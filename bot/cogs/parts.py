"""What commands work with: made once by the client, which knows them all."""

from dataclasses import dataclass

from bot.asking import Asker
from bot.face import Face
from bot.opening import Opener
from bot.turn_controls import TurnControls


@dataclass(frozen=True, slots=True)
class CommandParts:
    """One for all commands. `turns` does for commands what it does for buttons."""

    face: Face
    opener: Opener
    asker: Asker
    turns: TurnControls
