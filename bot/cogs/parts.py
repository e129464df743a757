"""The objects that commands work with. The client makes them once."""

from dataclasses import dataclass

from bot.asking import Asker
from bot.face import Face
from bot.opening import Opener
from bot.turn_controls import TurnControls


@dataclass(frozen=True, slots=True)
class CommandParts:
    """Shared by all commands. `turns` carries out the same actions for commands as for buttons."""

    face: Face
    opener: Opener
    asker: Asker
    turns: TurnControls
