"""Keeps permission rules as rows, and tells a session's process which ones hold.

A process gets its rules when it starts, and changes of them at once. A new rule is stored in the change that
answers the ask. To take a rule back, the processes are told first and then the row is deleted: after a crash in
between, the rule still shows in the list and can be taken back again.
"""

import uuid
from collections.abc import Sequence
from typing import Protocol

from sessions import rows
from sessions.draft import Draft
from sessions.events import Noticed
from sessions.model import Rule, RuleScope
from sessions.permission_rules import GivenRules, opens_more
from sessions.session_port import SessionPort
from sessions.stored import StoredRule
from sessions.topics import Topic


class RunningSession(SessionPort, Protocol):
    """A session that may have a process."""

    @property
    def run(self) -> object | None: ...


async def rules_of(session: SessionPort) -> list[StoredRule]:
    """Return the rules that hold in `session`."""
    snapshot = session.snapshot
    return await rows.load_rules(session.around.db, snapshot.id, snapshot.work_directory, snapshot.user_id)


async def give_rules(session: SessionPort, draft: Draft, given: GivenRules | None, by: str) -> None:
    """Put the rules that `by` gave with an answer on the draft, and the line that tells the process.

    A project rule holds only in its giver's sessions. If the giver does not own this session, it is stored for
    this session as well.
    """
    if given is None:
        return
    snapshot, at_ms = draft.snapshot, draft.at_ms
    place = snapshot.work_directory
    rules = [each for each in given.rules if opens_more(each, place)]
    if given.scope is RuleScope.PROJECT:
        draft.extra += rows.insert_project_rules(place, rules, by, at_ms)
    if given.scope is RuleScope.SESSION or by != snapshot.user_id:
        draft.extra += rows.insert_session_rules(snapshot.id, place, rules, by, at_ms)
    # The line replaces all that the CLI was told before. The new rules are on the draft, not yet in the rows.
    known = [each.rule for each in await rules_of(session)]
    _tell(session, draft, [*known, *rules])


async def take_rules_along(parent: SessionPort, draft: Draft) -> None:
    """Copy the parent's session rules to its branch, with a notice in the branch."""
    count = sum(each.session_id == parent.id for each in await rules_of(parent))
    if count:
        draft.extra.append(rows.copy_session_rules(parent.id, draft.snapshot.id))
        kept = "1 permission" if count == 1 else f"{count} permissions"
        words = f"{kept} that the session it came from was given for the session hold here, too."
        draft.add(Noticed(Topic.PERMISSIONS, words))


async def tell_rules(session: RunningSession, *, without: int | None = None) -> None:
    """Tell the session's process, if any, all rules that hold, except the one with the id `without`."""
    async with session.change() as draft:
        # Under the lock: a rule that is given at the same moment is in the rows, or is told after this.
        if session.run is not None:
            known = await rules_of(session)
            _tell(session, draft, [each.rule for each in known if each.id != without])


async def tell_new_process(session: SessionPort) -> None:
    """Tell the rules to a new or recovered process before it reads the next prompt."""
    known = await rules_of(session)
    if known:
        async with session.change() as draft:
            _tell(session, draft, [each.rule for each in known])


def _tell(session: SessionPort, draft: Draft, rules: Sequence[Rule]) -> None:
    request_id = str(uuid.uuid4())
    draft.send(request_id, session.around.driver.permission_rules(request_id, rules))
