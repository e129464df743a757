"""Carries out the commands of `api/network.py`."""

from typing import assert_never

import api as c
from api.access import Actor
from service.parts import ServiceParts
from service.trusting import refuse_unless_may_decide
from sessions import rows
from sessions.errors import SiteUnknown
from sessions.model import SiteState
from sessions.session import Session
from sessions.stored import StoredSite


async def network(parts: ServiceParts, session: Session, actor: Actor, command: c.NetworkCommand) -> c.Sites:
    """Carry out `command` and return its reply. Raises the errors that the command's docstring names."""
    match command:
        case c.ReadSites():
            pass
        case c.DecideSite():
            refuse_unless_may_decide(parts, session, actor)
            await _decide(parts, session, actor, command)
        case _:
            assert_never(command)
    return await _shown(session)


async def _shown(session: Session) -> c.Sites:
    found = await rows.load_sites(session.around.db, session.snapshot.work_directory)
    return c.Sites(tuple(c.Site(each.name, each.state, each.decided_by, each.at_ms) for each in found))


async def _decide(parts: ServiceParts, session: Session, actor: Actor, command: c.DecideSite) -> None:
    directory = session.snapshot.work_directory
    known = await rows.load_sites(parts.manager.db, directory)
    if not any(each.name == command.name for each in known):
        raise SiteUnknown("No command of Claude’s wanted this host in this project.")
    state = SiteState.ALLOWED if command.allow else SiteState.REFUSED
    decided = StoredSite(directory, command.name, state, actor.user_id, parts.manager.now_ms())
    # The row first: a sandbox that starts in between reads it.
    await parts.manager.db.write([rows.upsert_site(decided)])
    await parts.sites_changed(directory)
