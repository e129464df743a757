"""The right to let Claude do everything without asking is checked when it is chosen, and at each start."""

from pathlib import Path

import pytest

from bridge.demo.model import DemoModel
from sessions.bypass import BypassFor, BypassRule
from sessions.errors import IllegalMove
from sessions.model import Deny, PermissionMode, TurnStatus
from tests.fakes.cli_home import make_cli_home
from tests.sessions.kit import House, send
from tests.sessions.running_core import CoreParts, idle, reached, running_core

BYPASS, DEFAULT = PermissionMode.BYPASS, PermissionMode.DEFAULT


@pytest.mark.parametrize(
    ("who", "is_confined", "admin", "other"),
    [
        (BypassFor.ADMINS, False, True, False),
        (BypassFor.ADMINS, True, True, False),
        (BypassFor.SANDBOXED, True, True, True),
        (BypassFor.SANDBOXED, False, False, False),
        (BypassFor.NONE, True, False, False),
    ],
)
def test_the_setting_decides_and_only_this_mode_is_lowered(
    who: BypassFor, is_confined: bool, admin: bool, other: bool
) -> None:
    rule = BypassRule(who, is_confined, {"ann"}.__contains__)
    assert (rule.allows(is_admin=True), rule.allows(is_admin=False)) == (admin, other)
    assert rule.mode_at_launch("ann", BYPASS) is (BYPASS if admin else DEFAULT)
    assert rule.mode_at_launch("bob", BYPASS) is (BYPASS if other else DEFAULT)
    assert rule.mode_at_launch("bob", PermissionMode.PLAN) is PermissionMode.PLAN


async def test_an_owner_who_is_no_admin_any_more_is_asked_again_from_the_next_start_on(here: House) -> None:
    session = await here.session("a")
    await session.set_permission_mode(BYPASS)
    await send(session, "demo:text hi")
    await session.until(lambda now: now.is_idle and not now.queue)
    assert session.snapshot.mode is DEFAULT
    topics = await here.db.read("SELECT body ->> 'topic' FROM events WHERE kind = 'noticed'", ())
    assert [each[0] for each in topics] == ["mode_lowered"]


@pytest.mark.real_cli
@pytest.mark.timeout(120)
async def test_a_live_session_takes_the_mode_that_asks_nothing_by_a_fresh_process(tmp_path: Path) -> None:
    """The CLI takes it only at its start."""
    async with DemoModel() as demo:
        home = make_cli_home(tmp_path / "cli", demo.base_url, IS_SANDBOX="1")
        parts = CoreParts(command=home.binary, claude=home.config, environment=home.environment)
        rule = BypassRule(is_admin=lambda _: True)
        async with running_core(tmp_path / "core", parts, bypass=rule) as core:
            session = await core.session()
            await core.say(session, "demo:bash touch asked")
            await reached(session, lambda snapshot: bool(snapshot.asks))
            with pytest.raises(IllegalMove, match="while the session is busy"):
                await session.set_permission_mode(PermissionMode.BYPASS)
            await session.answer(session.snapshot.asks[0].id, Deny(), by="ann")
            await idle(session)
            await session.set_permission_mode(PermissionMode.BYPASS)
            turn = await core.ask(session, "demo:bash touch unasked")
            assert await core.status(turn) is TurnStatus.DONE
            assert session.snapshot.host == 2
            assert Path(session.snapshot.work_directory, "unasked").exists()
