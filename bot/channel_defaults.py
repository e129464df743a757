"""A channel's defaults for new sessions: project, model and mode, as an admin has set them."""

import msgspec

from bot.rows import load_fact, store_fact
from sessions.model import PermissionMode
from storage import Database, Statement


class ChannelDefaults(msgspec.Struct, frozen=True):
    """The defaults of a channel. An empty field means the default of the settings."""

    project: str = ""
    model: str = ""
    mode: PermissionMode | None = None


async def load_defaults(db: Database, channel_id: int) -> ChannelDefaults:
    """Return the defaults of the channel; all fields are empty if an admin has set none."""
    stored = await load_fact(db, _fact(channel_id))
    return msgspec.json.decode(stored, type=ChannelDefaults) if stored else ChannelDefaults()


def store_defaults(channel_id: int, defaults: ChannelDefaults) -> Statement:
    """Return the statement that sets `defaults` for new sessions in the channel."""
    return store_fact(_fact(channel_id), msgspec.json.encode(defaults).decode())


def _fact(channel_id: int) -> str:
    return f"channel:{channel_id}"
