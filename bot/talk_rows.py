"""SQL of people's last talk: messages that were not for the bot, but may become so by an edit soon after.

Kept as small facts `talk:<message>`, whose value is the connection in which the bot heard the message, and the
channel. Ids of Discord have the same length for decades, so their order as text is their order in time.
"""

from bot.messages import MENTION_LATER_MS
from storage import Database, Statement

_MOST = 200


def note_talk(connection: str, channel_id: int, message_id: int) -> list[Statement]:
    """Remember a message, and forget those of this connection that are too old for an edit to count."""
    # Discord's ids have the time in milliseconds above the lowest 22 bits.
    too_old = message_id - (MENTION_LATER_MS << 22)
    return [
        Statement(
            "INSERT INTO face_facts (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (f"talk:{message_id}", f"{connection} {channel_id}"),
        ),
        Statement(
            "DELETE FROM face_facts WHERE name >= 'talk:' AND name < ? AND value GLOB ?",
            (f"talk:{too_old}", f"{connection} *"),
        ),
    ]


async def last_talk(db: Database, connection: str) -> list[tuple[int, int]]:
    """Return channel and id of the last messages of earlier connections, oldest first."""
    rows = await db.read(
        "SELECT name, value FROM face_facts WHERE name >= 'talk:' AND name < 'talk;' AND value NOT GLOB ?"
        " ORDER BY name DESC LIMIT ?",
        (f"{connection} *", _MOST),
    )
    found = [(int(str(value).split()[1]), int(str(name).partition(":")[2])) for name, value in rows]
    newest = max((message_id for _, message_id in found), default=0)
    return [each for each in reversed(found) if each[1] > newest - (MENTION_LATER_MS << 22)]


def forget_talk(connection: str) -> Statement:
    """Forget the messages of earlier connections."""
    return Statement(
        "DELETE FROM face_facts WHERE name >= 'talk:' AND name < 'talk;' AND value NOT GLOB ?",
        (f"{connection} *",),
    )
