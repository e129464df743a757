"""The core as faces see it: authorize, write down, carry out. One entry for every command of every face."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar, cast

from sessions import commands as c
from sessions import rows
from sessions.access import Action, Actor, Role, SessionFacts, ShareLevel, authorize, may
from sessions.claude.control import FilesKept, FilesRewound
from sessions.claude.transcript import StoredConversation
from sessions.errors import NotAllowed, SessionError, SessionNotFound, TurnNotFound
from sessions.events import Feed, Noticed
from sessions.exporting import SUFFIX, export_session
from sessions.manager import NewSession, SessionManager
from sessions.model import AskId, PermissionMode, TurnId
from sessions.prompt_queue import Placed, Sender
from sessions.quotas import check_budget
from sessions.redaction import Redactor
from sessions.session import Session
from sessions.usage_rows import read_audit
from sessions.work_directory import list_projects
from storage import Statement

R = TypeVar("R")

# Reading is not written down: it changes nothing, and there is much of it.
_READING = (
    c.GetSession,
    c.FindSession,
    c.QuerySessions,
    c.ReadTurns,
    c.ReadTurn,
    c.ReadAsk,
    c.ListProjects,
    c.ListConversations,
    c.ReadStatistics,
    c.ReadAudit,
    c.PlanRetention,
)
_MAX_PAGE = 100


class SessionService:
    """Implements `commands.Core` over a `SessionManager`."""

    def __init__(self, manager: SessionManager) -> None:
        self._manager = manager
        self._db = manager.db

    async def perform(self, actor: Actor, command: c.Command[R]) -> R:
        """See `commands.Core.perform`. What was refused is written down too."""
        session = await self._session_of(actor, command)
        try:
            authorize(actor, command.action, await self._facts(session))
        except NotAllowed:
            await self._audit(actor, command, session, allowed=False)
            raise
        if not isinstance(command, _READING):
            await self._audit(actor, command, session, allowed=True)
        done = await (
            self._with_session(actor, command, session)
            if session is not None
            else self._without_session(actor, command)
        )
        return cast("R", done)

    async def follow(self, actor: Actor, session_id: str, after: int) -> AsyncGenerator[Feed, None]:
        """See `commands.Core.follow`."""
        session = await self._manager.get_session(session_id)
        authorize(actor, Action.VIEW, await self._facts(session))
        async with aclosing(self._manager.bus.follow(session.id, after)) as feed:
            async for item in feed:
                yield item

    async def may(self, actor: Actor, action: Action, session_id: str) -> bool:
        """Whether `actor` may do `action` to the session; False when there is no such session."""
        try:
            session = await self._manager.get_session(session_id)
        except SessionNotFound:
            return False
        return may(actor, action, await self._facts(session))

    # --- who and what -----------------------------------------------------------------------------------

    async def _session_of(self, actor: Actor, command: c.Command[Any]) -> Session | None:
        if not isinstance(command, c.SessionCommand):
            return None
        if actor.role is Role.NOBODY:
            raise NotAllowed(command.action)
        return await self._manager.get_session(command.session_id)

    async def _facts(self, session: Session | None) -> SessionFacts | None:
        if session is None:
            return None
        shares = await rows.load_shares(self._db, session.id)
        return SessionFacts(session.snapshot.user_id, shares)

    async def _audit(
        self, actor: Actor, command: c.Command[Any], session: Session | None, *, allowed: bool
    ) -> None:
        name = str(command.__struct_config__.tag)
        session_id = session.id if session is not None else ""
        statement = Statement(
            "INSERT INTO audit (at_ms, actor, face, action, session_id, allowed) VALUES (?, ?, ?, ?, ?, ?)",
            (self._manager.now_ms(), actor.user_id, actor.face, name, session_id, int(allowed)),
        )
        await self._db.write([statement])

    def info(self, session: Session) -> c.SessionInfo:
        """The session as faces show it."""
        snapshot = session.snapshot
        return c.SessionInfo(
            id=snapshot.id,
            user_id=snapshot.user_id,
            channel_id=snapshot.channel_id,
            title=snapshot.title,
            project=snapshot.project,
            model=snapshot.model,
            mode=snapshot.mode,
            lifecycle=snapshot.lifecycle,
            activity=snapshot.activity,
            blocker=snapshot.blocker,
            reason=snapshot.reason,
            status=snapshot.status,
            running_turn=snapshot.current.turn_id if snapshot.current else None,
            queued_turns=tuple(turn.turn_id for turn in snapshot.queue),
            open_asks=tuple(ask.id for ask in snapshot.asks),
            background_tasks=len(snapshot.background_tasks),
            commands=snapshot.commands,
            cost_usd=snapshot.cost_usd,
            context_used=snapshot.context_used,
            context_window=snapshot.context_window,
            message_count=snapshot.message_count,
            created_ms=snapshot.created_ms,
            last_activity_ms=snapshot.last_activity_ms,
            limit_until_ms=snapshot.limit_until_ms,
            last_event=snapshot.next_event - 1,
            work_directory_name=snapshot.work_directory.rpartition("/")[2],
            terminal_hint=session.run.host.terminal_hint() if session.run is not None else "",
            place_in_line=self._manager.place_in_line(snapshot.id),
        )

    # --- carrying out -----------------------------------------------------------------------------------

    async def _without_session(self, actor: Actor, command: c.Command[Any]) -> object:
        manager = self._manager
        match command:
            case c.CreateSession():
                return self.info(await manager.create_session(_new_session(actor, command)))
            case c.GetOrCreateSession():
                session = await manager.get_or_create_session(_new_session(actor, command))
                authorize(actor, Action.VIEW, await self._facts(session))
                return self.info(session)
            case c.FindSession():
                return self.info(await self._find(actor, command))
            case c.QuerySessions():
                sessions, cursor = await manager.query_sessions(actor, command)
                return c.SessionPage(tuple(map(self.info, sessions)), cursor)
            case c.ImportSession():
                wish = NewSession(
                    user_id=actor.user_id,
                    channel_id=command.channel_id,
                    key=command.key,
                    project=command.project,
                )
                return self.info(await manager.import_session(command.data, wish))
            case c.ListConversations():
                found = await manager.stored_conversations()
                return c.FoundConversations(tuple(_found(each) for each in found[: command.limit]))
            case c.AdoptConversation():
                wish = NewSession(user_id=actor.user_id, channel_id=command.channel_id, key=command.key)
                return self.info(await manager.adopt_conversation(command.conversation_id, wish))
            case c.ListProjects():
                return c.Names(tuple(list_projects(manager.policy.workspace_root)))
            case _:
                return await self._administer(command)

    async def _administer(self, command: c.Command[Any]) -> object:
        match command:
            case c.ClearAll():
                cleared = await self._manager.clear_all_sessions()
                report = (c.ClearedSession(each.session_id, each.had_process, each.trouble) for each in cleared)
                return c.ClearReport(tuple(report))
            case c.ReadStatistics():
                return await self._manager.statistics(command)
            case c.PlanRetention():
                return await self._manager.retention.plan()
            case c.ApplyRetention():
                return await self._manager.retention.apply()
            case c.ReadAudit():
                entries = await read_audit(self._db, command.session_id, command.before, command.limit)
                return c.AuditPage(tuple(entries))
            case _:
                raise SessionError(f"{type(command).__name__} is not served.")

    async def _find(self, actor: Actor, command: c.FindSession) -> Session:
        known = await rows.find_by_key(self._db, command.key)
        if known is None:
            raise SessionNotFound("")
        session = await self._manager.get_session(known)
        authorize(actor, Action.VIEW, await self._facts(session))
        return session

    async def _with_session(self, actor: Actor, command: c.Command[Any], session: Session) -> object:
        match command:
            case c.GetSession():
                return self.info(session)
            case c.ReadTurns():
                return await self._read_turns(session, command)
            case c.ReadTurn():
                return await self._turn_view(session, TurnId(command.turn_id))
            case c.ReadAsk():
                return await self._read_ask(session, AskId(command.ask_id))
            case c.AnswerAsk():
                return await session.answer(AskId(command.ask_id), command.decision, by=actor.user_id)
            case c.SetModel() | c.SetMode() | c.Rename():
                return await self._adjust(actor, session, command)
            case c.Share():
                await self._share(actor, session, command)
                return c.Nothing()
            case c.Branch():
                return await self._branch(actor, session, command)
            case c.RewindFiles():
                turn_id = TurnId(command.turn_id)
                return _files(await session.rewind_files(turn_id, dry_run=command.dry_run), command)
            case c.ExportSession():
                redactor = Redactor(self._manager.policy.secrets)
                data = await export_session(session, command.format, redactor)
                return c.ExportedFile(f"session-{session.id}.{SUFFIX[command.format]}", data)
            case c.HandOver():
                return c.Handover(await session.hand_over())
            case c.Park():
                await session.park("parked on request")
                return c.Nothing()
            case c.RestoreSession():
                retention = self._manager.retention
                await retention.restore(session, channel_id=command.channel_id, key=command.key)
                return self.info(session)
            case c.Clear():
                await self._manager.clear_session(session.id)
                return c.Nothing()
            case _:
                return await self._prompting(actor, command, session)

    async def _branch(self, actor: Actor, session: Session, command: c.Branch) -> c.SessionInfo:
        authorize(actor, Action.CREATE)
        wish = NewSession(
            user_id=actor.user_id,
            channel_id=command.channel_id,
            key=command.key,
            title=command.title,
            project=session.snapshot.project,
            model=session.snapshot.model,
            mode=_mode_for(actor, session.snapshot.mode),
        )
        turn_id = TurnId(command.turn_id) if command.turn_id is not None else None
        return self.info(await self._manager.branch_session(session, turn_id, wish))

    async def _check_budget(self, actor: Actor, session: Session) -> None:
        """Raise `LimitReached` when the actor's budget is used up; say so when it nearly is."""
        budget = self._manager.policy.budget
        warning = await check_budget(self._db, budget, actor.user_id, self._manager.now_ms())
        if warning:
            async with session.change() as draft:
                draft.add(Noticed("budget", warning))

    async def _prompting(self, actor: Actor, command: c.Command[Any], session: Session) -> object:
        if isinstance(command, c.SendMessage | c.RunCommand | c.Continue | c.Regenerate):
            await self._check_budget(actor, session)
        match command:
            case c.SendMessage():
                sender = Sender(actor.user_id, command.origin)
                return _accepted(
                    await session.send_message(
                        command.content, command.attachments, sender=sender, front=command.front
                    )
                )
            case c.RunCommand():
                sender = Sender(actor.user_id, command.origin)
                return _accepted(await session.command(command.name, command.arguments, sender=sender))
            case c.Continue():
                return _accepted(await session.continue_(sender=Sender(actor.user_id, command.origin)))
            case c.Regenerate():
                return _accepted(await session.regenerate(sender=Sender(actor.user_id, command.origin)))
            case c.Interrupt():
                return c.Stopped(await session.stop())
            case _:
                await self._change_queue(actor, command, session)
                return c.Nothing()

    async def _change_queue(self, actor: Actor, command: c.Command[Any], session: Session) -> None:
        match command:
            case c.EditQueued():
                await session.prompts.edit(TurnId(command.turn_id), command.content)
            case c.WithdrawQueued():
                await session.prompts.withdraw(TurnId(command.turn_id), by=actor.user_id)
            case c.MoveToFront():
                await session.prompts.move_to_front(TurnId(command.turn_id))
            case c.SendNow():
                await session.send_now(TurnId(command.turn_id))
            case _:
                raise SessionError(f"{type(command).__name__} is not served.")

    async def _adjust(
        self, actor: Actor, session: Session, command: c.SetModel | c.SetMode | c.Rename
    ) -> c.SessionInfo:
        match command:
            case c.SetModel():
                await session.set_model(command.model)
            case c.SetMode():
                _check_mode(actor, command.mode)
                await session.set_permission_mode(command.mode)
            case c.Rename():
                await session.rename(command.title)
        return self.info(session)

    async def _share(self, actor: Actor, session: Session, command: c.Share) -> None:
        if command.level is None:
            statement = rows.delete_share(session.id, command.grantee)
        else:
            level = ShareLevel(command.level)
            statement = rows.upsert_share(
                session.id, command.grantee, level, actor.user_id, self._manager.now_ms()
            )
        await self._db.write([statement])

    async def _read_turns(self, session: Session, command: c.ReadTurns) -> c.TurnPage:
        limit = max(1, min(command.limit, _MAX_PAGE))
        turns = await rows.load_turns(self._db, session.id, before=command.before, limit=limit)
        views = [c.TurnView(turn, tuple(await rows.load_blocks(self._db, turn.id))) for turn in turns]
        return c.TurnPage(tuple(views), turns[-1].number if len(turns) == limit else None)

    async def _turn_view(self, session: Session, turn_id: TurnId) -> c.TurnView:
        turn = await rows.load_turn(self._db, turn_id)
        if turn.session_id != session.id:
            raise TurnNotFound(turn_id)
        return c.TurnView(turn, tuple(await rows.load_blocks(self._db, turn_id)))

    async def _read_ask(self, session: Session, ask_id: AskId) -> rows.StoredAsk:
        stored = await rows.load_ask(self._db, ask_id)
        if stored is None or stored.session_id != session.id:
            raise SessionNotFound(ask_id)
        return stored


def _check_mode(actor: Actor, mode: PermissionMode | None) -> None:
    """Only an admin may let Claude do everything without asking. Raises `NotAllowed`."""
    if mode is PermissionMode.BYPASS and actor.role is not Role.ADMIN:
        raise NotAllowed("let_claude_do_everything_without_asking")


def _mode_for(actor: Actor, mode: PermissionMode) -> PermissionMode:
    """The mode that a branch takes over: never more than its new owner may choose."""
    takes_over = mode is not PermissionMode.BYPASS or actor.role is Role.ADMIN
    return mode if takes_over else PermissionMode.DEFAULT


def _accepted(placed: Placed) -> c.Accepted:
    return c.Accepted(placed.turn_id, placed.place)


def _found(conversation: StoredConversation) -> c.FoundConversation:
    return c.FoundConversation(
        conversation_id=conversation.conversation_id,
        title=conversation.title,
        first_prompt=conversation.first_prompt,
        directory_name=Path(conversation.cwd).name,
        size_bytes=conversation.size_bytes,
        updated_ms=conversation.updated_at_ms,
    )


def _files(outcome: FilesRewound | FilesKept, command: c.RewindFiles) -> c.FilesChanged:
    match outcome:
        case FilesRewound():
            done = not command.dry_run
            return c.FilesChanged(outcome.paths, outcome.insertions, outcome.deletions, done)
        case FilesKept():
            return c.FilesChanged((), 0, 0, done=False, refused="Claude has no copies of these files.")


def _new_session(actor: Actor, command: c.CreateSession | c.GetOrCreateSession) -> NewSession:
    _check_mode(actor, command.mode)
    return NewSession(
        user_id=actor.user_id,
        channel_id=command.channel_id,
        key=command.key,
        title=command.title,
        project=command.project,
        model=command.model,
        mode=command.mode,
    )


def session_key(scope: str, channel_id: str, user_id: str) -> str:
    """The key of the one session of a place: its channel, or the user in it when the scope is `user`."""
    return f"{channel_id} {user_id}" if scope == "user" else channel_id
