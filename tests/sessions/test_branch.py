"""Branches: from any turn, also while the parent works, which they leave as it is."""

from pathlib import Path

import pytest

import api as c
from api.access import Actor, Role
from sessions.errors import IllegalMove, NotAllowed, TurnNotFound
from sessions.model import Lifecycle, ShareLevel
from tests.sessions.running_core import RunningCore, idle, reached, running_core


def transcript(core: RunningCore, conversation_id: str) -> str:
    return next((core.claude / "projects").glob(f"*/{conversation_id}.jsonl")).read_text()


async def test_a_branch_from_an_early_turn_knows_nothing_of_later_ones(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        parent = await core.session()
        first = await core.ask(parent, "demo:text one")
        await core.ask(parent, "demo:text two")
        info = await core.do(c.Branch(session_id=parent.id, channel_id="b", turn_id=first, title="Another way"))
        assert (info.title, info.lifecycle, info.channel_id) == ("Another way", Lifecycle.PARKED, "b")
        branch = await core.manager.get_session(info.id)
        assert await core.notices(branch) == ["shared_directory"]
        await core.ask(branch, "demo:text three")
        said = transcript(core, branch.snapshot.conversation_id)
        assert "demo:text one" in said
        assert "demo:text two" not in said
        assert "demo:text three" not in transcript(core, parent.snapshot.conversation_id)
        assert branch.snapshot.work_directory == parent.snapshot.work_directory
        await branch.park("test")
        await core.ask(branch, "demo:text four")
        assert "demo:text three" in transcript(core, branch.snapshot.conversation_id)


async def test_a_branch_is_made_and_answers_while_the_parent_works(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        parent = await core.session()
        await core.ask(parent, "demo:text one")
        running = await core.say(parent, "demo:gate g demo:text two")
        await reached(parent, lambda snapshot: snapshot.running is not None)
        info = await core.do(c.Branch(session_id=parent.id, channel_id="b"))
        branch = await core.manager.get_session(info.id)
        turn_id = await core.ask(branch, "demo:text leaf")
        assert await core.status(turn_id) == "done"
        assert await core.status(running) == "running"
        (core.claude / "gates" / "g").touch()
        await idle(parent)
        assert await core.status(running) == "done"
        assert parent.snapshot.message_count == 2


async def test_what_cannot_be_branched_from_is_refused_and_leaves_no_session(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        parent, other = await core.session(), await core.session()
        foreign = await core.ask(other, "demo:text foreign")
        with pytest.raises(TurnNotFound, match="no turn to use yet"):
            await core.do(c.Branch(session_id=parent.id, channel_id="b"))
        with pytest.raises(TurnNotFound):
            await core.do(c.Branch(session_id=parent.id, channel_id="b", turn_id=foreign))
        running = await core.say(parent, "demo:gate g")
        await reached(parent, lambda snapshot: snapshot.running is not None)
        with pytest.raises(IllegalMove):
            await core.do(c.Branch(session_id=parent.id, channel_id="b", turn_id=running))
        assert len((await core.do(c.QuerySessions())).sessions) == 2


async def test_branching_needs_the_right_to_prompt_the_parent_and_to_make_sessions(tmp_path: Path) -> None:
    eve, viewer = Actor("eve", "test", Role.USER), Actor("eve", "test", Role.VIEWER)
    async with running_core(tmp_path) as core:
        parent = await core.session()
        await core.ask(parent, "demo:text one")
        branch = c.Branch(session_id=parent.id, channel_id="b")
        for level in (None, ShareLevel.VIEW):
            await core.do(c.Share(session_id=parent.id, grantee="eve", level=level))
            with pytest.raises(NotAllowed):
                await core.do(branch, eve)
        await core.do(c.Share(session_id=parent.id, grantee="eve", level=ShareLevel.PROMPT))
        with pytest.raises(NotAllowed):
            await core.do(branch, viewer)
        assert (await core.do(branch, eve)).user_id == "eve"
