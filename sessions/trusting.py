"""Carries out what `trust.py` decides: looks at a project before each process of a session starts."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from sessions import rows
from sessions.claude.instructions import write_instructions
from sessions.claude.launch import Brought, Closed, InstructionsOnly, Trusted
from sessions.claude.project_offer import ProjectOffer, allowed_rules, read_offer
from sessions.events import Noticed, TrustChanged
from sessions.model import Trust
from sessions.session_port import SessionPort
from sessions.stored import StoredTrust
from sessions.topics import Topic
from sessions.trust import TrustNow, trust_now

_MOST_LINES = 20


@dataclass(frozen=True, slots=True)
class ProjectTrust:
    """A project now: the content that it brings, the stored decision, and the resulting trust."""

    offer: ProjectOffer
    stored: StoredTrust | None
    now: TrustNow


async def look(session: SessionPort) -> ProjectTrust:
    """Read the session's project from the disk, and return it with the trust that holds now."""
    around, directory = session.around, session.snapshot.work_directory
    # From the disk each time: Claude or anybody else may have changed the project since the last process.
    offer = await asyncio.to_thread(read_offer, Path(directory))
    stored = await rows.load_trust(around.db, directory)
    return ProjectTrust(offer, stored, trust_now(around.trust.who, stored, offer))


async def prepare(session: SessionPort, work_directory: Path) -> Brought:
    """Return the part of the project that the next process gets. Asks in the session for a due decision."""
    found = await look(session)
    wanted = found.offer.content_hash if found.now.is_wanted else ""
    async with session.change() as draft:
        before = draft.snapshot
        if (before.trust, before.trust_wanted) != (found.now.state, wanted):
            draft.add(TrustChanged(found.now.state, wanted))
        # Asked once for each content, not at each start.
        if wanted and before.trust_wanted != wanted:
            draft.add(Noticed(Topic.TRUST_WANTED, trust_words(found.offer), about=wanted))
    match found.now.state:
        case Trust.CLOSED:
            return Closed()
        case Trust.TRUSTED:
            return Trusted(work_directory, await asyncio.to_thread(allowed_rules, work_directory))
        case Trust.INSTRUCTIONS:
            target = session.around.run_directory / session.id / "instructions"
            rebuilt = await asyncio.to_thread(write_instructions, work_directory, target, found.offer.nested)
            return InstructionsOnly(work_directory, rebuilt, found.offer.links)


def trust_words(offer: ProjectOffer) -> str:
    """Describe the project to the person who decides, with a line for each thing that would run or steer."""
    lines = [f"- {each}" for each in offer.runs[:_MOST_LINES]]
    if len(offer.runs) > _MOST_LINES:
        lines.append(f"- and {len(offer.runs) - _MOST_LINES} more")
    head = "Until somebody decides, only the project's text is read. It also brings:"
    return "\n".join([head, *lines])
