"""What new sessions of a channel begin with: project, model and mode, as an admin has set them there."""

import msgspec

from bot.rows import load_fact, store_fact
from sessions.model import PermissionMode
from storage import Database, Statement


class ChannelDefaults(msgspec.Struct, frozen=True):
    """The wishes of a channel. Empty fields mean the settings' defaults."""

    project: str = ""
    model: str = ""
    mode: PermissionMode | None = None


async def load_defaults(db: Database, channel_id: int) -> ChannelDefaults:
    """What was set for the channel; nothing for one where nothing was."""
    stored = await load_fact(db, _fact(channel_id))
    return msgspec.json.decode(stored, type=ChannelDefaults) if stored else ChannelDefaults()


def store_defaults(channel_id: int, defaults: ChannelDefaults) -> Statement:
    """Remember `defaults` for sessions that begin in the channel from now on."""
    return store_fact(_fact(channel_id), msgspec.json.encode(defaults).decode())


def _fact(channel_id: int) -> str:
    return f"channel:{channel_id}"
