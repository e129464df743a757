"""Every role, every action, every relation to a session: who may do what."""

import itertools

import pytest

from api.access import Action, Actor, Role, SessionFacts, authorize, may
from sessions.errors import NotAllowed
from sessions.model import ShareLevel

OWNER = "discord:1"
OTHER = "discord:2"
GROUP = "discord:role:9"

RELATIONS: dict[str, tuple[str, SessionFacts]] = {
    "owner": (OWNER, SessionFacts(OWNER)),
    "stranger": (OTHER, SessionFacts(OWNER)),
    "stranger among shares": (OTHER, SessionFacts(OWNER, {"discord:3": ShareLevel.APPROVE})),
    **{
        f"{level} by {how}": (OTHER, SessionFacts(OWNER, {OTHER if how == "id" else GROUP: level}))
        for level in ShareLevel
        for how in ("id", "group")
    },
}

ALL = set(Action)
NOTED = {Action.NOTE_REFUSAL, Action.OPEN_SHARED}
"""Whoever it is: that they were turned away is written down for them, and an address of a page is a right."""
ALWAYS = {Action.CREATE, Action.LIST, Action.LOG_IN} | NOTED
OWN = ALL - {Action.ADMINISTER}
SHARED = {
    "view": {Action.VIEW},
    "prompt": {Action.VIEW, Action.PROMPT},
    "approve": {Action.VIEW, Action.PROMPT, Action.APPROVE},
}


def allowed(role: Role, relation: str) -> set[Action]:
    share = SHARED.get(relation.split(" by ", maxsplit=1)[0], set())
    match role:
        case Role.ADMIN:
            return ALL
        case Role.USER:
            return OWN if relation == "owner" else ALWAYS | share
        case Role.VIEWER:
            return {Action.LIST, Action.LOG_IN} | NOTED | (share & {Action.VIEW})
        case Role.NOBODY:
            return NOTED


@pytest.mark.parametrize(("role", "relation"), list(itertools.product(Role, RELATIONS)))
def test_a_role_may_do_exactly_what_its_relation_to_the_session_gives(role: Role, relation: str) -> None:
    user_id, facts = RELATIONS[relation]
    actor = Actor(user_id, "discord", role, group_ids=(GROUP,))
    assert {action for action in Action if may(actor, action, facts)} == allowed(role, relation)


@pytest.mark.parametrize("role", list(Role))
def test_without_a_session_only_what_needs_none_is_allowed(role: Role) -> None:
    actor = Actor(OWNER, "discord", role)
    without = {action for action in Action if may(actor, action)}
    expected = {
        Role.ADMIN: ALL,
        Role.USER: ALWAYS,
        Role.VIEWER: {Action.LIST, Action.LOG_IN} | NOTED,
        Role.NOBODY: NOTED,
    }
    assert without == expected[role]


def test_a_share_with_a_group_that_the_actor_is_not_in_gives_nothing() -> None:
    actor = Actor(OTHER, "discord", Role.USER, group_ids=("discord:role:8",))
    assert not may(actor, Action.VIEW, SessionFacts(OWNER, {GROUP: ShareLevel.APPROVE}))


def test_the_highest_of_several_shares_counts() -> None:
    actor = Actor(OTHER, "discord", Role.USER, group_ids=(GROUP,))
    assert may(actor, Action.APPROVE, SessionFacts(OWNER, {OTHER: ShareLevel.VIEW, GROUP: ShareLevel.APPROVE}))


def test_a_refusal_names_the_wish_and_no_session() -> None:
    with pytest.raises(NotAllowed) as refused:
        authorize(Actor(OTHER, "discord", Role.USER), Action.PROMPT, SessionFacts(OWNER))
    assert str(refused.value) == "You may not prompt this session here. Ask the session's owner or an admin."
