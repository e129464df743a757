"""Clean-up rules: the plan is exact, only what it listed goes, and whose sessions a rule may touch."""

from pathlib import Path
from typing import Any

import pytest

import api as c
from api.access import Actor, Role
from sessions.errors import CleanupRuleNotFound, CleanupRuleRefused, NotAllowed, SessionError
from sessions.model import Lifecycle
from sessions.session import Session
from storage import Statement
from tests.sessions.running_core import ADMIN, RunningCore, running_core

ANN = Actor("ann", "test", Role.USER)
_DAY_MS = 86_400_000


async def old(core: RunningCore, session: Session, days: float, **columns: Any) -> str:
    at_ms = core.manager.now_ms() - round(days * _DAY_MS)
    for name, value in {"last_activity_ms": at_ms, **columns}.items():
        await core.db.write([Statement(f"UPDATE sessions SET {name} = ? WHERE id = ?", (value, session.id))])
    return session.id


async def planned(core: RunningCore, actor: Actor = ANN, **rule: Any) -> set[str]:
    report = await core.do(c.PlanCleanup(rule=c.CleanupRule(**rule)), actor)
    assert not report.applied
    return {step.session_id for step in report.steps}


async def test_a_rule_applies_by_age_state_project_size_and_owner_and_pins_stay(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core") as core:
        sessions = [await core.session() for _ in range(5)]
        theirs = await core.session(user="ben")
        a, b, d, pinned, young = sessions
        await old(core, a, 40, project="p")
        await old(core, b, 90)
        await old(core, d, 40)
        await core.do(c.Clear(session_id=d.id))
        await old(core, d, 40)
        await old(core, pinned, 90)
        await core.do(c.Pin(session_id=pinned.id, pinned=True))
        await old(core, pinned, 90)
        await old(core, young, 1)
        await old(core, theirs, 90)
        archive = c.RetentionVerb.ARCHIVE
        assert await planned(core, verb=archive) == {a.id, b.id}
        assert await planned(core, verb=archive, older_than_days=60) == {b.id}
        assert await planned(core, verb=archive, older_than_days=0.5) == {a.id, b.id, young.id}
        assert await planned(core, verb=archive, project="p") == {a.id}
        assert await planned(core, verb=archive, states=(Lifecycle.FAILED,)) == set()
        assert await planned(core, verb=archive, larger_than_mb=500) == set()
        assert await planned(core, verb=c.RetentionVerb.DELETE) == {d.id}
        assert await planned(core, ADMIN, verb=archive, only_mine=False) == {a.id, b.id, theirs.id}
        assert await planned(core, ADMIN, verb=archive) == set()
        with pytest.raises(NotAllowed):
            await planned(core, verb=archive, only_mine=False)


async def test_only_what_the_plan_listed_and_what_the_rule_still_covers_is_removed(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core") as core:
        one, two, three = [await core.session() for _ in range(3)]
        for session in (one, two, three):
            await old(core, session, 40)
        rule = c.CleanupRule()
        await old(core, three, 0)  # used again since the plan
        ids = (one.id, three.id, "no-such-session")
        done = await core.do(c.ApplyCleanup(rule=rule, session_ids=ids), ANN)
        assert (done.applied, done.archived) == (True, 1)
        assert one.snapshot.lifecycle is Lifecycle.ENDED
        assert Lifecycle.ENDED not in (two.snapshot.lifecycle, three.snapshot.lifecycle)
        delete = c.CleanupRule(verb=c.RetentionVerb.DELETE, older_than_days=0)
        stranger = Actor("ben", "test", Role.USER)
        nothing = await core.do(c.ApplyCleanup(rule=delete, session_ids=(one.id,)), stranger)
        assert nothing.deleted == 0
        assert (await core.do(c.ApplyCleanup(rule=delete, session_ids=(one.id, two.id)), ANN)).deleted == 1
        assert await core.db.read("SELECT count(*) FROM sessions WHERE id = ?", (one.id,)) == [(0,)]
        acts = await core.db.read("SELECT count(*) FROM audit WHERE action = 'apply_cleanup'")
        assert acts == [(3,)]


async def test_a_daily_rule_runs_in_the_name_of_its_person_and_touches_nothing_else(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core") as core:
        sessions = [await core.session() for _ in range(5)]
        theirs, used, asking = await core.session(user="ben"), await core.session(), await core.session()
        mine, pinned, young, ended, elsewhere = sessions
        await core.do(c.Clear(session_id=ended.id))
        await core.say(asking, "demo:bash touch x")
        await asking.until(lambda snapshot: bool(snapshot.asks))
        for each, days in ((mine, 40), (pinned, 90), (young, 1), (ended, 90), (theirs, 90), (asking, 90)):
            await old(core, each, days, project="p")
        await old(core, elsewhere, 90, project="q")
        await core.do(c.Pin(session_id=pinned.id, pinned=True))
        await old(core, pinned, 90, project="p")
        rule = c.CleanupRule(older_than_days=30, project="p")
        kept: c.DailyCleanupRule = await core.do(c.SaveCleanupRule(rule=rule), ANN)
        assert kept == await core.do(c.SaveCleanupRule(rule=rule), ANN), "the same rule is one"
        roles = {"ann": Role.USER}

        async def who(user_id: str) -> Actor:
            if user_id not in roles:
                raise SessionError("Discord does not answer.")
            return Actor(user_id, "rule", roles[user_id])

        async def after_a_day() -> c.DailyCleanupRule:
            await core.db.write([Statement("UPDATE cleanup_rules SET due_ms = due_ms - ?", (_DAY_MS,))])
            await core.service.run_cleanup_rules(who)
            (found,) = (await core.do(c.ListCleanupRules(), ANN)).rules
            assert isinstance(found, c.DailyCleanupRule)
            return found

        assert await core.service.run_cleanup_rules(who) == 0, "the first run is a day later"
        assert (await after_a_day()).removed == 1
        assert mine.snapshot.lifecycle is Lifecycle.ENDED
        left = (pinned, young, theirs, asking, elsewhere, used)
        assert Lifecycle.ENDED not in {each.snapshot.lifecycle for each in left}
        assert await core.service.run_cleanup_rules(who) == 0, "once a day"
        acts = await core.db.read("SELECT actor, face, action FROM audit WHERE face = 'rule'")
        assert acts == [("ann", "rule", "apply_cleanup")]
        await old(core, young, 90, project="p")
        del roles["ann"]
        waiting = await after_a_day()
        assert (waiting.trouble, waiting.next_ms <= core.manager.now_ms()) == ("Discord does not answer.", True)
        roles["ann"] = Role.NOBODY
        await core.service.run_cleanup_rules(who)
        (refused,) = (await core.do(c.ListCleanupRules(), ADMIN)).rules
        assert (refused.removed, refused.trouble.startswith("Nothing was removed")) == (0, True)
        assert young.snapshot.lifecycle is not Lifecycle.ENDED


async def test_a_rule_that_cannot_be_read_holds_up_no_other(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core") as core:
        session = await core.session()
        await old(core, session, 40)
        await core.do(c.SaveCleanupRule(rule=c.CleanupRule(older_than_days=30)), ANN)
        columns = "(id, user_id, body, made_ms, due_ms)"
        bad = Statement(f"INSERT INTO cleanup_rules {columns} VALUES (' a', 'ann', '[', 1, 1)")
        await core.db.write([Statement("UPDATE cleanup_rules SET due_ms = 2"), bad])

        async def who(user_id: str) -> Actor:
            return Actor(user_id, "rule", Role.USER)

        assert await core.service.run_cleanup_rules(who) == 1
        assert session.snapshot.lifecycle is Lifecycle.ENDED
        told = await core.db.read("SELECT trouble, due_ms > 2 FROM cleanup_rules ORDER BY id")
        assert told == [("It failed; the log says why.", 1), ("", 1)]


async def test_rules_of_others_are_neither_seen_nor_changed_and_are_bounded(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core") as core:
        ben = Actor("ben", "test", Role.USER)
        kept: c.DailyCleanupRule = await core.do(c.SaveCleanupRule(rule=c.CleanupRule()), ANN)
        assert (await core.do(c.ListCleanupRules(), ben)).rules == ()
        for wish in (
            c.SaveCleanupRule(rule=c.CleanupRule(older_than_days=2), daily_id=kept.id),
            c.DeleteCleanupRule(daily_id=kept.id),
        ):
            with pytest.raises(CleanupRuleNotFound):
                await core.do(wish, ben)
        with pytest.raises(CleanupRuleRefused, match="Only its person"):
            await core.do(c.SaveCleanupRule(rule=c.CleanupRule(older_than_days=2), daily_id=kept.id))
        with pytest.raises(CleanupRuleRefused, match="at least one day"):
            await core.do(c.SaveCleanupRule(rule=c.CleanupRule(older_than_days=0.9)), ANN)
        with pytest.raises(NotAllowed):
            await core.do(c.SaveCleanupRule(rule=c.CleanupRule(only_mine=False)), ANN)
        for days in range(1, 20):
            await core.do(c.SaveCleanupRule(rule=c.CleanupRule(older_than_days=days)), ANN)
        with pytest.raises(CleanupRuleRefused, match="20 rules"):
            await core.do(c.SaveCleanupRule(rule=c.CleanupRule(older_than_days=99)), ANN)
        await core.do(c.DeleteCleanupRule(daily_id=kept.id))
        assert len((await core.do(c.ListCleanupRules(), ANN)).rules) == 19
