"""Set a branch's copy up: the commands that install its dependencies, and who agreed to them.

They run scripts of the project and of its dependencies. So a person agrees to the commands together with the
contents of the files that say what they run; if one of them changes, somebody is asked again.
"""

import asyncio
from pathlib import Path

from sessions.errors import BranchRefused, SetUpNotAgreed
from sessions.model import Trust
from sessions.own_copies import branch_of, checkpoints_of
from sessions.rows import setup_consents as rows
from sessions.session import Session
from workdirs.manifests import SetupPlan, setup_plan


async def read_set_up(session: Session) -> tuple[SetupPlan, bool]:
    """Return what would set the branch up, and whether somebody agreed to exactly that in its project.

    Raises `BranchRefused` if it is no branch, if nobody trusts the project, or if nothing is to be installed.
    """
    branch = await branch_of(session)
    is_trusted = session.snapshot.trust is Trust.TRUSTED
    plan = await asyncio.to_thread(setup_plan, Path(branch.directory)) if is_trusted else None
    if plan is None or not plan.commands:
        raise BranchRefused("there is nothing to install, or nobody trusts the project")
    return plan, await rows.has_consent(session.around.db, _project(session), plan.digest)


async def agree_to_set_up(session: Session, digest: str, by: str) -> tuple[str, ...]:
    """Store that `by` agrees to the plan that `digest` names, and return the commands to run.

    Without a digest somebody must have agreed before. Raises `SetUpNotAgreed`, `BranchRefused`.
    """
    plan, is_agreed = await read_set_up(session)
    if digest and digest == plan.digest:
        now_ms, commands = session.around.clock.now_ms(), "; ".join(plan.commands)
        consent = rows.insert_consent(_project(session), digest, commands, by, now_ms)
        await session.around.db.write([consent])
    elif digest or not is_agreed:
        raise SetUpNotAgreed
    return plan.commands


def _project(session: Session) -> str:
    return str(checkpoints_of(session).place(session).project)
