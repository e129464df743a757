"""Words for amounts, times and people in posts and cards. Pure; short enough for a phone."""

import re

from api.words.models import short_model
from bot.markdown.cards import escape_inline

_DISCORD_USER = re.compile(r"discord:(\d{1,20})")


def duration(ms: int) -> str:
    """Return a duration as `0.8 s`, `12 s`, `2 min 10 s` or `1 h 5 min`."""
    seconds = ms / 1000
    if seconds < 9.95:  # more would read 10.0 s
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def money(usd: float) -> str:
    """Return an amount as `$0.0031` below a cent, else as `$0.12`."""
    return f"${usd:.4f}" if 0 < usd < 0.01 else f"${usd:,.2f}"


def tokens(count: int) -> str:
    """Return a count of tokens as `950`, `48k` or `1.2M`."""
    if count < 1_000:
        return str(count)
    if count < 999_500:  # more would read 1000k
        return f"{count / 1_000:.0f}k"
    return f"{count / 1_000_000:.1f}M"


def counted(count: int, word: str) -> str:
    """Return a count with its noun: `1 line`, `120 lines`, `3 matches`, `2 replies`."""
    if count == 1:
        return f"1 {word}"
    if word.endswith("y"):
        return f"{count:,} {word[:-1]}ies"
    return f"{count:,} {word}{'es' if word.endswith(('ch', 's')) else 's'}"


def size(count: int) -> str:
    """Return a count of bytes as `12 bytes`, `340 kB` or `26.2 MB`."""
    if count < 1_000:
        return counted(count, "byte")
    if count < 999_500:
        return f"{count / 1_000:.0f} kB"
    return f"{count / 1_000_000:,.1f} MB"


def moment(at_ms: int, style: str = "R") -> str:
    """Return a time in Discord's timestamp format, which every reader sees in their own time zone."""
    return f"<t:{at_ms // 1000}:{style}>"


def person(user_id: str) -> str:
    """Return a user as a Discord mention, or in words for another face. It pings nobody by itself."""
    if found := _DISCORD_USER.fullmatch(user_id):
        return f"<@{found[1]}>"
    face, _, name = user_id.partition(":")
    if face == "terminal":
        return "somebody at the terminal"
    return escape_inline(name or user_id, 40) or "somebody"


def sentence(text: str, limit: int) -> str:
    """Return a sentence of the core's, escaped except for its code."""
    return escape_inline(text, limit).replace("\\`", "`")


def model_words(model: str) -> str:
    """Return a session's model for a sentence; an empty `model` is Claude's default."""
    return model_name(model) or "Claude’s default"


def model_name(model: str) -> str:
    """Return `opus 4.5` for `claude-opus-4-5-20251101`; other names unchanged, escaped."""
    return escape_inline(short_model(model), 60)
