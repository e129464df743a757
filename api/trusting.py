"""Commands on what of a project counts: nothing, its text, or everything that it brings."""

import msgspec

from api.access import Action
from api.command import Command, SessionCommand
from sessions.model import Trust


class ProjectTrust(msgspec.Struct, frozen=True):
    """How it stands with a project.

    `trust` holds for the next process. `runs` is what would run or steer, a line each; `left_out` what is read
    only in a trusted project. `is_wanted`: somebody should decide; `content_hash` names what they decide on.
    """

    project: str
    trust: Trust
    runs: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    content_hash: str = ""
    is_wanted: bool = False
    decided_by: str = ""
    decided_ms: int = 0


class ProjectTrusts(msgspec.Struct, frozen=True):
    """Decisions on projects, the newest first."""

    projects: tuple[ProjectTrust, ...]


class ReadTrust(SessionCommand[ProjectTrust], frozen=True, tag="read_trust", kw_only=True):
    """How it stands with the session's project, as it is on the disk now."""

    action = Action.VIEW
    reply = ProjectTrust
    audited = False


class DecideTrust(SessionCommand[ProjectTrust], frozen=True, tag="decide_trust", kw_only=True):
    """Decide what of the session's project counts, in all its sessions, from their next process on.

    `content_hash`: decide on what was listed under it; empty takes the project as it is now. Raises
    `NotAllowed` if only an admin may decide, `OfferChanged` if the project brings something else by now.
    """

    action = Action.MANAGE
    reply = ProjectTrust
    trust: Trust
    content_hash: str = ""


class ListTrust(Command[ProjectTrusts], frozen=True, tag="list_trust", kw_only=True):
    """All decisions on projects."""

    action = Action.ADMINISTER
    reply = ProjectTrusts
    audited = False
    limit: int = 100


TrustingCommand = ReadTrust | DecideTrust
"""The commands of this file on one session's project."""
