"""The link that invites the bot into a server, with exactly the permissions that it needs."""

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
"""The permissions that the bot needs, by their names in Discord's client. Reasons: docs/operation.md."""

ADMINISTRATOR = 1 << 3


def invite_link(application_id: str) -> str:
    """Return the page on which a server's manager adds the bot. Format: OAuth2 authorization URL."""
    query = {
        "client_id": application_id,
        "scope": "bot applications.commands",
        "permissions": str(sum(NEEDED.values())),
    }
    return f"https://discord.com/oauth2/authorize?{urlencode(query)}"


def lacking(permissions: int) -> tuple[str, ...]:
    """Return the names of the needed permissions that the bits `permissions` lack."""
    # Discord gives an administrator all of them, whatever the other bits say.
    if permissions & ADMINISTRATOR:
        return ()
    return tuple(name for name, bit in NEEDED.items() if not permissions & bit)
