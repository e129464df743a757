"""Carries out the commands of `api/trusting.py`."""

from pathlib import Path
from typing import assert_never

import api as c
from api.access import Actor, Role
from service.parts import ServiceParts
from sessions import rows
from sessions.errors import NotAllowed, OfferChanged
from sessions.session import Session
from sessions.stored import StoredTrust
from sessions.trust import WhoTrusts
from sessions.trusting import look

_DECIDING = "decide_what_a_project_may_run"
_RENEWED = "what counts of its project has changed"


async def trust(parts: ServiceParts, session: Session, actor: Actor, command: c.TrustingCommand) -> object:
    """Carry out `command` and return its reply. Raises the errors that the command's docstring names."""
    match command:
        case c.ReadTrust():
            return await _shown(session)
        case c.DecideTrust():
            return await _decide(parts, session, actor, command)
        case _:
            assert_never(command)


async def list_trust(parts: ServiceParts, command: c.ListTrust) -> c.ProjectTrusts:
    """Return all decisions; a project's name omits the path of the workspace."""
    root = parts.manager.policy.workspace_root
    stored = await rows.load_all_trust(parts.manager.db, max(1, min(command.limit, 200)))
    return c.ProjectTrusts(
        tuple(
            c.ProjectTrust(
                project=_name(each.directory, root),
                trust=each.state,
                content_hash=each.content_hash,
                decided_by=each.decided_by,
                decided_ms=each.decided_ms,
            )
            for each in stored
        )
    )


def _name(directory: str, root: Path) -> str:
    path = Path(directory)
    # Directories are stored resolved, so a workspace behind a link has to be, too.
    base = root.resolve()
    return str(path.relative_to(base)) if path.is_relative_to(base) else path.name


async def _shown(session: Session) -> c.ProjectTrust:
    found = await look(session)
    stored = found.stored
    return c.ProjectTrust(
        project=session.snapshot.project or Path(session.snapshot.work_directory).name,
        trust=found.now.state,
        runs=found.offer.runs,
        nested=found.offer.nested,
        content_hash=found.offer.content_hash,
        is_wanted=found.now.is_wanted,
        decided_by=stored.decided_by if stored else "",
        decided_ms=stored.decided_ms if stored else 0,
    )


def refuse_unless_may_decide(parts: ServiceParts, session: Session, actor: Actor) -> None:
    """Raise `NotAllowed` unless `actor` may decide on what the session's project may do (TRUST_PROJECTS)."""
    owner_may = parts.manager.policy.trust.who is WhoTrusts.OWNER and actor.user_id == session.snapshot.user_id
    # No share includes this: a decision lets the project's own commands run on the machine.
    if actor.role is not Role.ADMIN and not owner_may:
        raise NotAllowed(_DECIDING)


async def _decide(
    parts: ServiceParts, session: Session, actor: Actor, command: c.DecideTrust
) -> c.ProjectTrust:
    refuse_unless_may_decide(parts, session, actor)
    found = await look(session)
    # The decision is on what the person saw: a session could have changed the project since.
    if command.content_hash and command.content_hash != found.offer.content_hash:
        raise OfferChanged
    directory = session.snapshot.work_directory
    now_ms = parts.manager.now_ms()
    decided = StoredTrust(directory, command.trust, found.offer.content_hash, actor.user_id, now_ms)
    # The row first: a process that is renewed reads it.
    await parts.manager.db.write([rows.upsert_trust(decided)])
    # What counts is part of the launch line, so only a new process has it.
    await parts.manager.renew_processes(directory, _RENEWED)
    return await _shown(session)
