"""Hosts of the internet that a sandbox refused because they are not listed: kept, and asked about once.

The proxy of sandboxes tells the names. A person allows or refuses a name for a project; the names are rows.
"""

from sessions import rows
from sessions.events import Noticed
from sessions.manager import SessionManager
from sessions.model import SiteState
from sessions.session import Session
from sessions.stored import StoredSite
from sessions.topics import Topic

_MOST_WANTED = 20
"""Names without a decision that one project may have: a program can make up names without end."""


async def want_site(manager: SessionManager, directory: str, name: str) -> None:
    """Note that a sandbox of the project in `directory` wanted `name`, and ask in a session of it.

    Asks once for each name and project. Nothing happens if too many names wait for a decision.
    """
    known = await rows.load_sites(manager.db, directory)
    waiting = sum(1 for each in known if each.state is SiteState.WANTED)
    if any(each.name == name for each in known) or waiting >= _MOST_WANTED:
        return
    row = rows.upsert_site(StoredSite(directory, name, SiteState.WANTED, "", manager.now_ms()))
    # All sessions of a project share one door to the network, so nobody knows which of them asked.
    session = _present(manager, directory)
    if session is None:  # it ended meanwhile; `/settings network` lists the name
        await manager.db.write([row])
        return
    async with session.change() as draft:
        draft.extra.append(row)
        draft.add(Noticed(Topic.SITE_WANTED, site_words(name), about=name))


def site_words(name: str) -> str:
    """Describe what happened, for the person who decides."""
    return f"Claude wanted {name}, which is not on the list of hosts that this project may reach."


def _present(manager: SessionManager, directory: str) -> Session | None:
    """Return the session of the project that was used last and has a process."""
    found = [each for each in manager.loaded() if each.run and each.snapshot.work_directory == directory]
    return found[-1] if found else None
