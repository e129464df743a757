"""An ask as it is stored, and Discord's limits on a body, for tests of cards."""

import discord
from hypothesis import strategies as st

from bot.bodies import Body
from bot.discord_bodies import MAX_CARD_CHARS, MAX_LABEL, MAX_OPTION, view_of
from sessions.model import (
    Ask,
    AskBody,
    AskId,
    AskStatus,
    Decision,
    SessionId,
)
from sessions.stored import StoredAsk

SESSION = SessionId("00000000-0000-4000-8000-000000000000")
texts = st.one_of(
    st.text(max_size=400), st.sampled_from(["", "@everyone", "```" * 300, "x" * 9_000, "*_`~|" * 900])
)


def stored(body: AskBody, status: str = "open", decision: Decision | None = None, by: str = "") -> StoredAsk:
    return StoredAsk(Ask(AskId("a"), None, 1, "r", 0, body), SESSION, AskStatus(status), decision, by, 1_000)


def assert_within_limits(body: Body) -> None:
    """Check Discord's limits on the view that would be sent."""
    view = view_of(body)
    custom_ids: list[str] = []
    text = 0
    for item in view.walk_children() if view is not None else ():
        if isinstance(item, discord.ui.TextDisplay):
            assert item.content
            text += len(item.content)
        if isinstance(item, discord.ui.Button):
            assert item.label is not None
            assert 0 < len(item.label) <= MAX_LABEL
            custom_ids.append(str(item.custom_id))
        if isinstance(item, discord.ui.Select):
            assert 1 <= len(item.options) <= 25
            assert len({option.value for option in item.options}) == len(item.options)
            assert all(0 < len(option.label) <= MAX_OPTION for option in item.options)
            assert sum(option.default for option in item.options) <= item.max_values <= len(item.options)
            custom_ids.append(str(item.custom_id))
    assert text <= MAX_CARD_CHARS
    assert len(set(custom_ids)) == len(custom_ids)
    assert all(len(each) <= 100 for each in custom_ids)
    if isinstance(view, discord.ui.LayoutView):
        assert view.total_children_count <= 40
        assert text > 0
