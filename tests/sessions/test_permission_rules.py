"""A yes stays a yes: rules are ours, survive every process, and are taken back at once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import api as c
from api.access import Actor, Role
from bridge.demo.model import DemoModel
from sessions.errors import NotAllowed, RuleNotFound
from sessions.model import (
    Allow,
    AllowAlways,
    AllowSession,
    Answer,
    Decision,
    Deny,
    ExportFormat,
    PermissionBody,
    QuestionBody,
    Rule,
    RuleKind,
    RuleScope,
    ShareLevel,
    Suggestion,
)
from sessions.permission_rules import GivenRules, rule_words, rules_given
from sessions.session import Session
from tests.sessions.running_core import (
    RunningCore,
    idle,
    is_idle,
    reached,
    real_cli_core,
    running_core,
)

ANN, BOB = (Actor(name, "test", Role.USER) for name in ("ann", "bob"))
WORK = "/home/ann/workspaces/shop"
LOCAL = {"behavior": "allow", "destination": "localSettings"}
TOUCH = Suggestion(
    {"type": "addRules", "rules": [{"toolName": "Bash", "ruleContent": "touch (a) *"}], **LOCAL}, ""
)
DIRECTORY = Suggestion({"type": "addDirectories", "directories": ["/srv/x", 5], "destination": "session"}, "")
MODE = Suggestion({"type": "setMode", "mode": "acceptEdits", "destination": "session"}, "")
FORBIDS = Suggestion({"type": "addRules", "rules": [{"toolName": "Bash"}], **LOCAL, "behavior": "deny"}, "")
BROKEN = Suggestion({"type": "addRules", "rules": [7, {"ruleContent": "x"}], **LOCAL}, "")

TOUCH_RULE = Rule(RuleKind.ALLOW, r"Bash(touch \(a\) *)")
DIRECTORY_RULE = Rule(RuleKind.DIRECTORY, "/srv/x")


def permission(*suggestions: Suggestion, tool: str = "Bash", **given: object) -> PermissionBody:
    return PermissionBody(tool, "toolu", dict(given), suggestions=suggestions)


@pytest.mark.parametrize(
    ("body", "decision", "given"),
    [
        (permission(TOUCH, DIRECTORY, MODE), AllowSession(), (RuleScope.SESSION, TOUCH_RULE, DIRECTORY_RULE)),
        (permission(TOUCH, DIRECTORY, MODE), AllowAlways(0), (RuleScope.PROJECT, TOUCH_RULE)),
        (permission(TOUCH, DIRECTORY, MODE), AllowAlways(1), (RuleScope.SESSION, DIRECTORY_RULE)),
        (permission(TOUCH, DIRECTORY, MODE), AllowAlways(2), None),
        (permission(TOUCH), AllowAlways(1), None),
        (permission(TOUCH), AllowAlways(-1), None),
        (permission(TOUCH), Allow(), None),
        (permission(TOUCH), Deny(), None),
        (permission(FORBIDS), AllowAlways(0), None),
        (permission(BROKEN), AllowAlways(0), None),
        # Nothing suggested: this very command, never every command.
        (
            permission(command="touch a; rm b"),
            AllowSession(),
            (RuleScope.SESSION, Rule(RuleKind.ALLOW, "Bash(touch a; rm b)")),
        ),
        # A file outside of the project: its directory, and edits in it.
        (
            permission(MODE, DIRECTORY, tool="Write"),
            AllowSession(),
            (RuleScope.SESSION, DIRECTORY_RULE, Rule(RuleKind.ALLOW, "Edit(//srv/x/**)")),
        ),
        (permission(DIRECTORY), AllowSession(), (RuleScope.SESSION, DIRECTORY_RULE)),
        (permission(tool="Write"), AllowSession(), (RuleScope.SESSION, Rule(RuleKind.ALLOW, "Write"))),
        (QuestionBody("toolu", (), {}), Answer({}), None),
    ],
)
def test_a_decision_gives_these_rules(
    body: PermissionBody | QuestionBody, decision: Decision, given: tuple[RuleScope, *tuple[Rule, ...]] | None
) -> None:
    expected = GivenRules(given[0], tuple(given[1:])) if given else None
    assert rules_given(body, decision) == expected


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (TOUCH_RULE, "Bash: touch (a) *"),
        (Rule(RuleKind.ALLOW, "Write"), "use Write, whatever for"),
        (Rule(RuleKind.ALLOW, f"Read(/{WORK}/src/**)"), "Read: src/**"),
        (Rule(RuleKind.ALLOW, "Read(//home/ann/.ssh/**)"), "Read: …/.ssh/**"),
        (Rule(RuleKind.DIRECTORY, WORK), "read and write in the work directory"),
        (Rule(RuleKind.DIRECTORY, "/home/ann/other/deep"), "read and write in …/other/deep"),
        (Rule(RuleKind.DIRECTORY, "/etc"), "read and write in /etc"),
    ],
)
def test_a_rule_reads_without_a_path_of_the_machine(rule: Rule, words: str) -> None:
    assert rule_words(rule, WORK) == words


@pytest.fixture
async def demo() -> AsyncIterator[DemoModel]:
    async with DemoModel() as model:
        yield model


async def allow(session: Session, prompt: str, decision: Decision, core: RunningCore) -> None:
    """Send a prompt that asks once, and decide."""
    await core.say(session, prompt)
    asking = await reached(session, lambda snapshot: bool(snapshot.asks))
    await core.do(c.AnswerAsk(session_id=session.id, ask_id=asking.asks[0].id, decision=decision), ANN)
    await idle(session)


async def asks(core: RunningCore, session: Session) -> int:
    found = await core.db.read_one("SELECT count(*) FROM asks WHERE session_id = ?", (session.id,))
    assert found is not None
    return int(str(found[0]))


async def asks_again(core: RunningCore, session: Session, prompt: str) -> bool:
    """Whether Claude asks for `prompt` now; the ask is refused."""
    before = await asks(core, session)
    await core.say(session, prompt)
    now = await reached(session, lambda snapshot: bool(snapshot.asks) or is_idle(snapshot))
    for ask in now.asks:
        await session.answer(ask.id, Deny(), by="ann")
    await idle(session)
    return await asks(core, session) > before


@pytest.mark.real_cli
@pytest.mark.timeout(240)
async def test_what_was_allowed_for_the_session_is_asked_once_whatever_happens_to_its_processes(
    tmp_path: Path, demo: DemoModel
) -> None:
    prompt = "demo:bash touch made"
    async with real_cli_core(tmp_path, demo) as core:
        session = await core.session()
        await allow(session, prompt, AllowSession(), core)
        assert not await asks_again(core, session, prompt)
        assert await asks_again(core, session, "demo:bash mkdir other")
        await session.park("test")
        assert not await asks_again(core, session, prompt)
        await kill_claude(session)
        assert not await asks_again(core, session, prompt)
        known = session.id
    async with real_cli_core(tmp_path, demo) as core:  # the next bot finds the process
        session = await core.manager.get_session(known)
        assert not await asks_again(core, session, prompt)

        branch = await core.do(c.Branch(session_id=session.id, channel_id="b"), ANN)
        child = await core.manager.get_session(branch.id)
        assert not await asks_again(core, child, prompt)
        assert "permissions" in await core.notices(child)

        export = await core.do(c.ExportSession(session_id=session.id, format=ExportFormat.JSON))
        imported = await core.do(c.ImportSession(channel_id="i", data=export.data), ANN)
        assert await asks_again(core, await core.manager.get_session(imported.id), prompt)

        (rule,) = (await core.do(c.ReadPermissions(session_id=session.id), ANN)).rules
        assert (rule.words, rule.given_by, rule.scope) == ("Bash: touch made *", "ann", RuleScope.SESSION)
        await core.do(c.TakeBackPermission(session_id=session.id, rule_id=rule.id), ANN)
        assert await asks_again(core, session, prompt)


async def kill_claude(session: Session) -> None:
    """End the process tree without a wish of the session, as a short memory does; wait until it is recorded."""
    assert session.run is not None
    number = session.snapshot.host
    await session.run.host.kill(0)
    await reached(session, lambda snapshot: snapshot.host != number or not snapshot.holds_slot)


@pytest.mark.real_cli
@pytest.mark.timeout(240)
async def test_always_in_this_project_holds_in_the_givers_sessions_and_for_all_if_an_admin_says_so(
    tmp_path: Path, demo: DemoModel
) -> None:
    prompt = "demo:bash touch made"
    async with real_cli_core(tmp_path, demo) as core:
        first, second, bobs = await core.session(), await core.session(), await core.session("bob")
        for session in (second, bobs):
            await core.ask(session, "demo:text there")
        await allow(first, prompt, AllowAlways(0), core)
        assert not await asks_again(core, first, prompt)
        assert not await asks_again(core, second, prompt), "a running process is told at once"
        assert await asks_again(core, bobs, prompt)
        (rule,) = (await core.do(c.ReadPermissions(session_id=second.id), ANN)).rules
        assert rule.scope is RuleScope.PROJECT
        with pytest.raises(NotAllowed):
            await core.do(c.HoldForAll(session_id=first.id, rule_id=rule.id), ANN)
        await core.do(c.HoldForAll(session_id=first.id, rule_id=rule.id))
        assert not await asks_again(core, bobs, prompt)
        with pytest.raises(NotAllowed):
            await core.do(c.TakeBackPermission(session_id=bobs.id, rule_id=rule.id), BOB)
        await core.do(c.TakeBackPermission(session_id=first.id, rule_id=rule.id), ANN)
        await core.do(c.TakeBackPermission(session_id=first.id, rule_id=rule.id), ANN)  # no error twice
        for session in (first, second, bobs):
            assert await asks_again(core, session, prompt)
        with pytest.raises(RuleNotFound):
            await core.do(c.HoldForAll(session_id=first.id, rule_id=rule.id))


async def test_a_rule_for_the_project_by_somebody_else_holds_in_the_session_that_asked(tmp_path: Path) -> None:
    prompt = "demo:bash touch made"
    async with running_core(tmp_path) as core:
        session = await core.session()
        await core.do(c.Share(session_id=session.id, grantee="bob", level=ShareLevel.APPROVE), ANN)
        await core.say(session, prompt)
        asking = await reached(session, lambda snapshot: bool(snapshot.asks))
        decide = c.AnswerAsk(session_id=session.id, ask_id=asking.asks[0].id, decision=AllowAlways(0))
        await core.do(decide, BOB)
        await idle(session)
        assert not await asks_again(core, session, prompt)
        rules = (await core.do(c.ReadPermissions(session_id=session.id), ANN)).rules
        assert [(rule.scope, rule.given_by) for rule in rules] == [(RuleScope.SESSION, "bob")]
