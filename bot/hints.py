"""The hint on how to write to Claude: shown once in each channel, in the first session that begins there.

Which session shows it is stored in the transaction that stores the session's place, so a kill neither loses it
nor shows it twice. If somebody deletes that session's thread within an hour, the next session shows the hint.
"""

from bot.bodies import Plain
from bot.rows import load_fact
from bot.scopes import ThreadTalk
from storage import Database, Statement

_YOUNG_MS = 60 * 60 * 1000
_HINTS = {
    ThreadTalk.ALL: (
        "-# Write here as you would to a person: every message goes to Claude, with its files. To talk to each"
        " other, begin with a mention or reply to somebody. `/help` says more."
    ),
    ThreadTalk.MENTION: (
        "-# Mention me or reply to me to ask Claude. It reads your other messages along with that. `/help` says"
        " more."
    ),
}


def claim_hint(session_id: str, channel_id: int, talk: ThreadTalk) -> list[Statement]:
    """Have the session show the hint, unless another session of the channel `channel_id` has it."""
    channel = f"hinted:{channel_id}"
    insert = "INSERT INTO face_facts (name, value) SELECT ?, ? WHERE NOT EXISTS"
    taken = " (SELECT 1 FROM face_facts WHERE name = ?) ON CONFLICT (name) DO NOTHING"
    return [
        # In this order: the channel's row keeps the first statement from having an effect again.
        Statement(insert + taken, (_fact(session_id), _HINTS[talk], channel)),
        Statement(insert + taken, (channel, session_id, channel)),
    ]


def give_up_hint(thread_id: int, now_ms: int) -> list[Statement]:
    """Let the next session of the channel show the hint that the deleted thread `thread_id` showed just now."""
    values = (thread_id, now_ms - _YOUNG_MS)
    return [
        Statement(
            "DELETE FROM face_facts WHERE substr(name, 1, 7) = 'hinted:' AND value IN"
            " (SELECT session_id FROM places WHERE channel_id = ? AND created_ms > ?)",
            values,
        ),
        Statement(
            "DELETE FROM face_facts WHERE name IN"
            " (SELECT 'hint:' || session_id FROM places WHERE channel_id = ? AND created_ms > ?)",
            values,
        ),
    ]


async def hint_post(db: Database, session_id: str) -> Plain | None:
    """Return the hint if the session shows it."""
    hint = await load_fact(db, _fact(session_id))
    return Plain(hint) if hint else None


def _fact(session_id: str) -> str:
    return f"hint:{session_id}"
