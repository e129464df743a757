"""A fake Discord: REST v10 and gateway v10 on loopback, which the real discord.py talks to unchanged."""

from tests.fakes.discord_redirect import URL_VARIABLE, discord_py_at, point_discord_py_at

from .faults import Fail, Fault, Hold, Limit, LoseAnswer, Reset
from .interactions import Ack
from .model import Message, MessageFlag, MessageType, Ping
from .options import NotOffered
from .outcome import Attempt, Outcome
from .people import Person
from .permissions import Permission
from .place import NeverHappened, Place
from .rate_limits import Rate, RateSettings
from .server import BOT_PERMISSIONS, OPENAPI_VARIABLE, FakeDiscord
from .site import Settings

__all__ = [
    "BOT_PERMISSIONS",
    "OPENAPI_VARIABLE",
    "URL_VARIABLE",
    "Ack",
    "Attempt",
    "Fail",
    "FakeDiscord",
    "Fault",
    "Hold",
    "Limit",
    "LoseAnswer",
    "Message",
    "MessageFlag",
    "MessageType",
    "NeverHappened",
    "NotOffered",
    "Outcome",
    "Permission",
    "Person",
    "Ping",
    "Place",
    "Rate",
    "RateSettings",
    "Reset",
    "Settings",
    "discord_py_at",
    "point_discord_py_at",
]
