"""Commands on the trust in a project: whether nothing, its text, or everything in it takes effect."""

import msgspec

from api.access import Action
from api.command import Command, SessionCommand
from sessions.model import Trust


class ProjectTrust(msgspec.Struct, frozen=True):
    """The trust in a project, and what a decision on it is about.

    `trust` holds for the next process. `runs` lists what would run or steer, a line each; `nested` are
    the CLAUDE.md of subdirectories. If `is_wanted`, a person should decide; `content_hash` names the listing.
    """

    project: str
    trust: Trust
    runs: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()
    content_hash: str = ""
    is_wanted: bool = False
    decided_by: str = ""
    decided_ms: int = 0


class ProjectTrusts(msgspec.Struct, frozen=True):
    """Decisions on projects, newest first."""

    projects: tuple[ProjectTrust, ...]


class ReadTrust(SessionCommand[ProjectTrust], frozen=True, tag="read_trust", kw_only=True):
    """Return the trust in the session's project, with its contents as they are on the disk now."""

    action = Action.VIEW
    reply = ProjectTrust
    audited = False


class DecideTrust(SessionCommand[ProjectTrust], frozen=True, tag="decide_trust", kw_only=True):
    """Set the trust in the session's project, for all its sessions, from their next process on.

    `content_hash` identifies the listing that the person saw; empty means the project as it is now. Raises
    `NotAllowed` if only an admin may decide, `OfferChanged` if the project's contents have changed since.
    """

    action = Action.MANAGE
    reply = ProjectTrust
    trust: Trust
    content_hash: str = ""


class ListTrust(Command[ProjectTrusts], frozen=True, tag="list_trust", kw_only=True):
    """Return all decisions on projects."""

    action = Action.ADMINISTER
    reply = ProjectTrusts
    audited = False
    limit: int = 100


TrustingCommand = ReadTrust | DecideTrust
"""The commands of this file on one session's project."""
