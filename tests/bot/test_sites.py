"""A host that a sandbox refused: asked about once, in the project's session; an admin's click decides."""

import msgspec
import pytest

import api as c
from api.access import Actor, Role
from bot.site_card import site_question, sites_card
from sessions.errors import NotAllowed, SiteUnknown
from sessions.events import Noticed
from sessions.model import SiteState
from sessions.session import Session
from sessions.sites import want_site
from sessions.topics import Topic
from tests.bot.ways import Ways, core, core_id, fake, town, ways
from tests.fakes.discord_server import Place
from tests.sessions.running_core import RunningCore

__all__ = ["core", "core_id", "fake", "town", "ways"]


async def started(ways: Ways) -> tuple[Place, Session]:
    return await ways.started(ways.town.ann, "demo:text hi")


async def wanted(core: RunningCore, session: Session, name: str) -> None:
    await want_site(core.manager, session.snapshot.work_directory, name)


async def states(core: RunningCore, session: Session) -> dict[str, SiteState]:
    found = await core.do(c.ReadSites(session_id=session.id))
    return {each.name: each.state for each in found.sites}


def test_the_question_names_the_host_and_offers_two_answers() -> None:
    name = "a*b_" + "x" * 200 + ".example.org"
    wish = site_question(Noticed(Topic.SITE_WANTED, "", about=name), 7, "session")
    text = "\n".join(wish.body.texts)  # type: ignore[union-attr]  # it is a card
    assert "Claude wanted a\\*b\\_" in text
    labels = [button.label for row in wish.body.rows for button in row]  # type: ignore[union-attr]
    assert labels == ["Allow for this project", "No"]
    assert wish.ping is None


async def test_a_host_is_asked_about_once_and_an_admins_click_decides(ways: Ways) -> None:
    thread, session = await started(ways)
    changed: list[str] = []

    async def sites_changed(directory: str) -> None:
        changed.append(directory)

    parts = ways.core.service._parts
    msgspec.structs.force_setattr(parts, "sites_changed", sites_changed)
    for _ in range(2):
        await wanted(ways.core, session, "example.org")
    assert (await ways.core.notices(session)).count("site_wanted") == 1
    owner = Actor(core_id(ways.town.ann.id), "discord", Role.USER)
    with pytest.raises(NotAllowed):
        await ways.core.do(c.DecideSite(session_id=session.id, name="example.org", allow=True), owner)
    listed = await ways.town.boss.slash(thread, "settings network").settled()
    assert "example.org: wanted" in listed.text
    assert listed.reply is not None
    refused = await ways.town.ann.slash(thread, "settings network").settled()
    assert refused.reply is not None
    assert "Ask an admin" in (await ways.town.ann.click(refused.reply, "Allow example.org").settled()).text
    assert await states(ways.core, session) == {"example.org": SiteState.WANTED}
    outcome = await ways.town.boss.click(listed.reply, "Allow example.org").settled()
    assert "may reach `example.org` from now on" in outcome.text
    assert await states(ways.core, session) == {"example.org": SiteState.ALLOWED}
    assert changed == [session.snapshot.work_directory]

    again = await ways.town.boss.slash(thread, "settings network").settled()
    assert f"allowed, by <@{ways.town.boss.id}>" in again.text
    assert again.reply is not None
    await ways.town.boss.click(again.reply, "Refuse example.org").settled()
    assert await states(ways.core, session) == {"example.org": SiteState.REFUSED}
    await wanted(ways.core, session, "example.org")
    assert (await ways.core.notices(session)).count("site_wanted") == 1, "refused for good: not asked again"


async def test_only_what_was_wanted_can_be_decided_and_made_up_names_do_not_flood(ways: Ways) -> None:
    _, session = await started(ways)
    with pytest.raises(SiteUnknown):
        await ways.core.do(c.DecideSite(session_id=session.id, name="example.org", allow=True))
    for number in range(30):
        await wanted(ways.core, session, f"{number}.example.org")
    assert len(await states(ways.core, session)) == 20
    info = await ways.core.do(c.GetSession(session_id=session.id))
    card = sites_card(info, await ways.core.do(c.ReadSites(session_id=session.id)))
    assert [row for row in card.rows if isinstance(row, tuple) and len(row) == 5] == list(card.rows)
    assert len(card.rows) == 2
    await want_site(ways.core.manager, "/elsewhere", "example.org")
    assert "example.org" not in await states(ways.core, session)
