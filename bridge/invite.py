"""The link that invites the bot into a server, with the permissions that it needs and no other."""

from collections.abc import Mapping
from urllib.parse import urlencode

NEEDED: Mapping[str, int] = {
    "View Channels": 1 << 10,
    "Send Messages": 1 << 11,
    "Attach Files": 1 << 15,
    "Read Message History": 1 << 16,
    "Manage Threads": 1 << 34,
    "Create Public Threads": 1 << 35,
    "Create Private Threads": 1 << 36,
    "Send Messages in Threads": 1 << 38,
}
"""What the bot needs, by the names that Discord's client shows; docs/operation.md says what for."""

ADMINISTRATOR = 1 << 3


def invite_link(application_id: str) -> str:
    """The page on which somebody who manages a server lets the bot in. Format: OAuth2 authorization URL."""
    query = {
        "client_id": application_id,
        "scope": "bot applications.commands",
        "permissions": str(sum(NEEDED.values())),
    }
    return f"https://discord.com/oauth2/authorize?{urlencode(query)}"


def lacking(permissions: int) -> tuple[str, ...]:
    """The names of what is needed and not among the bits `permissions`."""
    if permissions & ADMINISTRATOR:
        return ()
    return tuple(name for name, bit in NEEDED.items() if not permissions & bit)
