"""`/settings permissions`: rules are listed with who gave them, and taken back by a choice."""

from api import ReadPermissions
from sessions.model import AllowAlways, AllowSession
from sessions.session import Session
from tests.bot.ways import Ways, core, core_id, fake, town, ways
from tests.fakes.discord_server import Place
from tests.sessions.running_core import idle, reached

__all__ = ["core", "core_id", "fake", "town", "ways"]

COMMAND = "demo:bash touch made"
FOR_ALL = "Let it hold for everybody in this project …"


async def given(ways: Ways, decision: AllowAlways | AllowSession) -> tuple[Place, Session, str]:
    """Ann's session in which she decided so on `COMMAND`: thread, session, and the id of the rule."""
    thread, session = await ways.started(ways.town.ann, "demo:text hi")
    await ways.core.say(session, COMMAND, user=session.snapshot.user_id)
    asking = await reached(session, lambda snapshot: bool(snapshot.asks))
    await session.answer(asking.asks[0].id, decision, by=session.snapshot.user_id)
    await idle(session)
    (rule,) = (await ways.core.do(ReadPermissions(session_id=session.id))).rules
    return thread, session, str(rule.id)


async def test_a_rule_is_listed_and_taken_back(ways: Ways) -> None:
    thread, session, rule_id = await given(ways, AllowSession())
    listed = await ways.town.ann.slash(thread, "settings permissions").settled()
    assert listed.ephemeral
    for words in ("Bash: touch made", "in this session", f"<@{ways.town.ann.id}>"):
        assert words in listed.text
    assert listed.reply is not None
    outcome = await ways.town.ann.select(listed.reply, "Take back …", rule_id).settled()
    assert "Nothing yet" in outcome.text
    assert (await ways.core.do(ReadPermissions(session_id=session.id))).rules == ()


async def test_an_admin_lets_a_rule_of_the_project_hold_for_everybody(ways: Ways) -> None:
    thread, _, rule_id = await given(ways, AllowAlways(0))
    owners = await ways.town.ann.slash(thread, "settings permissions").settled()
    assert owners.reply is not None
    assert FOR_ALL not in str(owners.reply.components)
    listed = await ways.town.boss.slash(thread, "settings permissions").settled()
    assert listed.reply is not None
    outcome = await ways.town.boss.select(listed.reply, FOR_ALL, rule_id).settled()
    assert "in this project, for everybody" in outcome.text
