"""Who may let Claude do everything without asking: when it is chosen, and at each start of a process."""

import pytest

from sessions.bypass import BypassFor, BypassRule
from sessions.model import PermissionMode
from tests.sessions.kit import House, send

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
