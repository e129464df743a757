"""The way in for every command: authorized and audited here, then carried out by the file of its theme.

The type checker finds a forgotten command: each file takes the union of its theme and matches all of it.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import time
from typing import TYPE_CHECKING, TypeVar, cast

import api as c
from api.access import Action, Actor, ActorSource, Role, authorize, may
from service.finding import find
from service.following import follow_session
from service.following_all import follow_all
from service.making import make
from service.managing import manage
from service.parts import ServiceParts
from service.prompting import talk
from service.reading import read
from service.refusals import note_refusal
from service.session_info import session_facts
from service.usage_rows import audit_entry, has_active_runs
from service.work_files import file_place, get_file, put_upload
from sessions.errors import NotAllowed, SessionNotFound
from sessions.events import Feed
from sessions.model import Attachment
from sessions.rows import has_cut_acts
from sessions.session import Session

if TYPE_CHECKING:
    from service.workflows import WorkflowRoom

log = logging.getLogger(__name__)

R = TypeVar("R")


class SessionService:
    """Implements `api.Core`: authorizes, audits, and hands each command to the file of its theme."""

    def __init__(self, parts: ServiceParts) -> None:
        self._parts = parts
        self._manager = parts.manager
        self._workflows: WorkflowRoom | None = None
        self._opening = asyncio.Lock()

    async def perform(self, actor: Actor, command: c.Command[R]) -> R:
        """See `api.Core.perform`. Refusals are audited too."""
        wish = cast("c.AnyCommand", command)
        session = await self._session_of(actor, wish)
        # Around both steps: a command can also be refused for its content, such as a permission mode.
        async with self._refusal_noted(actor, wish, session):
            await self._admit(actor, wish, session)
            if isinstance(wish, c.SessionCommand):
                assert session is not None
                done = await self._do_with(session, actor, wish)
            elif isinstance(wish, c.OneRunCommand):
                done = await (await self.workflows()).do_with(actor, wish)
            else:
                done = await self._do(actor, wish)
            if isinstance(done, c.ExportedFile):
                # A large one takes seconds to make, and the right may have been taken back meanwhile.
                await self._check(actor, wish, session)
        return cast("R", done)

    def follow(self, who: ActorSource, session_id: str, after: int) -> AsyncGenerator[Feed, None]:
        """See `api.Core.follow`."""
        return follow_session(self._parts, who, session_id, after)

    def follow_all(
        self, who: ActorSource, after: c.Position | None, *, growing: bool = True
    ) -> AsyncGenerator[c.FeedOfAll, None]:
        """See `api.Core.follow_all`."""
        return follow_all(self._parts, who, after, growing=growing)

    async def put_file(self, actor: Actor, wish: c.PutFile, content: AsyncIterable[bytes]) -> Attachment:
        """See `api.Core.put_file`."""
        return await put_upload(await self._session_of_file(actor, wish), wish, content)

    async def get_file(self, actor: Actor, wish: c.GetFile) -> AsyncGenerator[bytes, None]:
        """See `api.Core.get_file`."""
        session = await self._session_of_file(actor, wish)
        root, wish = await asyncio.to_thread(file_place, session, wish)
        async with aclosing(get_file(root, wish)) as pieces:
            async for piece in pieces:
                yield piece

    async def may(self, actor: Actor, action: Action, session_id: str) -> bool:
        """See `api.Core.may`."""
        try:
            session = await self._manager.get_session(session_id)
        except SessionNotFound:
            return False
        return may(actor, action, await session_facts(session))

    async def finish_cut_acts(self) -> None:
        """Finish ends, backups and restores that the end of the last process cut; for the start."""
        # A restore that was cut before its row has left a note of its directory.
        incoming = self._manager.policy.run_directory.parent / "backups" / "incoming"
        has_notes = await asyncio.to_thread(lambda: any(incoming.glob("directory-*")))
        if has_notes or await has_cut_acts(self._manager.db):
            from service.finishing import finish_cut_acts

            await finish_cut_acts(self._parts)

    # --- work-flows -------------------------------------------------------------------------------------

    async def workflows(self) -> "WorkflowRoom":
        """Return the room of work-flows; the first use opens it. Raises `RunFieldWrong` without one."""
        # Of two first commands at once, one opens the room and the other waits for it.
        async with self._opening:
            if self._workflows is None:
                from service.workflows import WorkflowRoom  # few bridges have runs, and it is large

                self._workflows = WorkflowRoom(self._parts, self)
                await self._workflows.open()
            return self._workflows

    async def open_if_active(self) -> None:
        """Let active runs go on; without any, the room stays closed. For the start."""
        if self._parts.workflows is not None and await has_active_runs(self._manager.db):
            await self.workflows()

    async def close(self) -> None:
        """Stop the tasks of work-flows. Their turns go on, and so do the runs at the next start."""
        if self._workflows is not None:
            await self._workflows.close()

    async def keep_folders(self) -> None:
        """Keep the folders of sessions up to date; never returns."""
        from service.folder_keeping import keep_folders

        await keep_folders(self._parts)

    async def run_cleanup_rules(self, who: Callable[[str], Awaitable[Actor]]) -> int:
        """Run the clean-up rules that are due, each with the rights that `who` says of its person now."""
        from service.cleanup_rules import run_due_rules

        return await run_due_rules(self._parts, self, who)

    async def copy_new_backups(self) -> None:
        """Copy new backups elsewhere, one after the other; may take hours."""
        from service.backup_round import copy_new

        await copy_new(self._parts)

    async def back_up_if_due(self, at: time) -> None:
        """Make the daily backup if the time `at` has passed since the last one. Raises `BackupRefused`."""
        from service.backup_round import backup_round

        await backup_round(self._parts, at)

    # --- authorizing ------------------------------------------------------------------------------------

    async def _session_of(self, actor: Actor, wish: c.AnyCommand) -> Session | None:
        """Return the session that `wish` is about, if any. A run has the rights of its session."""
        if isinstance(wish, c.SessionCommand):
            return await self._session(actor, wish)
        if not isinstance(wish, c.OneRunCommand):
            return None
        if actor.role is Role.NOBODY:
            raise NotAllowed(wish.action)
        session_id = await (await self.workflows()).session_of(wish.run_id)
        try:
            return await self._manager.get_session(session_id)
        except SessionNotFound:
            if actor.role is Role.ADMIN:
                return None  # only an admin can clear up a run whose session is gone
            raise c.RunNotFound(wish.run_id) from None

    async def _session(self, actor: Actor, command: c.AnySessionCommand | c.FilesCommand) -> Session:
        if actor.role is Role.NOBODY:
            raise NotAllowed(command.action)  # before the look-up: a refusal must not tell which sessions exist
        return await self._manager.get_session(command.session_id)

    async def _session_of_file(self, actor: Actor, wish: c.FilesCommand) -> Session:
        """Authorize and audit `wish`, and return its session."""
        session = await self._session(actor, wish)
        async with self._refusal_noted(actor, wish, session):
            await self._admit(actor, wish, session)
        return session

    @asynccontextmanager
    async def _refusal_noted(
        self, actor: Actor, wish: c.AnyWish, session: Session | None
    ) -> AsyncIterator[None]:
        """Audit a refusal of `wish` that is raised inside the block."""
        try:
            yield
        except NotAllowed:
            facts = {"actor": actor.user_id, "action": wish.action.value}
            log.warning("refused", extra={**facts, "session": session.id if session else ""})
            await self._audit(actor, wish, session, allowed=False)
            raise

    async def _admit(self, actor: Actor, command: c.AnyWish, session: Session | None) -> None:
        await self._check(actor, command, session)
        if command.audited:
            await self._audit(actor, command, session, allowed=True)

    async def _check(self, actor: Actor, command: c.AnyWish, session: Session | None) -> None:
        # An admin may do everything, so the session's shares need not be read.
        asks_facts = session is not None and actor.role is not Role.ADMIN
        facts = await session_facts(session) if asks_facts and session is not None else None
        authorize(actor, command.action, facts)

    async def _audit(self, actor: Actor, command: c.AnyWish, session: Session | None, *, allowed: bool) -> None:
        name = str(command.__struct_config__.tag)
        session_id = session.id if session is not None else ""
        row = audit_entry(self._manager.now_ms(), actor, name, allowed=allowed, session_id=session_id)
        await self._manager.db.write([row])

    # --- carrying out -----------------------------------------------------------------------------------
    # The files of rarely used themes are loaded with their first command: a start would take time and memory.

    async def _do(self, actor: Actor, command: c.AnySessionlessCommand) -> object:
        if isinstance(command, c.WorkflowCommand):
            return await (await self.workflows()).do(actor, command)
        if isinstance(command, c.FindingCommand):
            return await find(self._parts, actor, command)
        if isinstance(command, c.SearchingCommand):
            from service.searching import search  # loaded when first used: a start has no use for it

            return await search(self._parts, actor, command)
        if isinstance(command, c.OpenSharedPage):
            from service.shared_pages import open_page

            return await open_page(self._parts, command)
        if isinstance(command, c.PromptTemplatesCommand):
            from service.prompt_templates import template

            return await template(self._parts, actor, command)
        if isinstance(command, c.CleaningCommand):
            from service.cleaning import clean

            return await clean(self._parts, actor, command)
        if isinstance(command, c.CleanupRulesCommand):
            from service.cleanup_rules import keep_rules

            return await keep_rules(self._parts, actor, command)
        if isinstance(command, c.ListTrust):
            from service.trusting import list_trust

            return await list_trust(self._parts, command)
        if isinstance(command, c.ListFolders):
            from service.session_folders import list_active

            return await list_active(self._parts, actor, command)
        if isinstance(command, c.BackingUpCommand):
            from service.backing_up import back_up

            return await back_up(self._parts, actor, command)
        if isinstance(command, c.MakingCommand):
            return await make(self._parts, actor, command)
        if isinstance(command, c.LinkingCommand):
            from service.linking import link

            return await link(self._parts.links, actor, command)
        if isinstance(command, c.RefusalsCommand):
            return await note_refusal(self._parts, actor, command)
        from service.administering import administer

        return await administer(self._parts, command)

    async def _do_with(self, session: Session, actor: Actor, command: c.AnySessionCommand) -> object:
        if isinstance(command, c.RunAnswerCommand):
            return await (await self.workflows()).answer(session, command)
        if isinstance(command, c.ReadingCommand):
            return await read(self._parts, session, command)
        if isinstance(command, c.NetworkCommand):
            from service.network import network

            return await network(self._parts, session, actor, command)
        if isinstance(command, c.TrustingCommand):
            from service.trusting import trust

            return await trust(self._parts, session, actor, command)
        if isinstance(command, c.CheckpointingCommand):
            from service.checkpointing import checkpoint

            return await checkpoint(self._parts, session, command)
        if isinstance(command, c.BranchingCommand):
            return await self._branch(session, actor, command)
        if isinstance(command, c.ContextCommand):
            from service.context import context

            return await context(session, command)
        if isinstance(command, c.BackUpSession):
            from service.backing_up import back_up_session

            return await back_up_session(self._parts, session)
        if isinstance(command, c.ExportBundle):
            from service.backing_up import export_bundle

            return await export_bundle(self._parts, session)
        if isinstance(command, c.FoldersCommand):
            from service.session_folders import fold

            return await fold(self._parts, session, actor, command)
        if isinstance(command, c.PermissionsCommand):
            from service.permissions import rule

            return await rule(self._parts, session, actor, command)
        if isinstance(command, c.PromptingCommand):
            return await talk(self._parts, session, actor, command)
        if isinstance(command, c.TimingCommand):
            from service.timing import time_turn

            return await time_turn(self._parts, session, command)
        if isinstance(command, c.ReviewingCommand):
            from service.reviewing import review

            return await review(self._parts, session, actor, command)
        if isinstance(command, c.SharedPagesCommand):
            from service.shared_pages import share_pages

            return await share_pages(self._parts, session, actor, command)
        return await manage(self._parts, session, actor, command)

    async def _branch(self, session: Session, actor: Actor, command: c.BranchingCommand) -> object:
        """Carry out a command on a branch; its run learns of a merge, and of one taken back."""
        from service.branching import branch

        done = await branch(self._parts, session, actor, command)
        if isinstance(command, c.MergeBranch | c.UndoMerge) and session.snapshot.work_flow is not None:
            target = done.target if isinstance(done, c.MergeResult) else ""
            is_merge = isinstance(command, c.MergeBranch)
            await (await self.workflows()).merged(session, target if is_merge else "")
        return done
