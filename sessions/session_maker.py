"""Make sessions: new, for a place, as a branch of another, from an exported file or from a conversation.

Callers check permissions first. A session that could not be stored leaves nothing behind. The code of branches
and archives is loaded with the first one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from msgspec.structs import replace

from sessions import events as e
from sessions import rows
from sessions.claude.launch import is_model_name
from sessions.claude.transcript import StoredConversation
from sessions.dependencies import Dependencies
from sessions.draft import Draft
from sessions.errors import IllegalMove, ModelRefused, PlaceTaken, SessionNotFound
from sessions.importing import ENDED, fill_from_archive, fill_from_transcript
from sessions.loaded_sessions import LoadedSessions
from sessions.model import PermissionMode, SessionId, TurnId
from sessions.session import Session
from sessions.snapshot import Snapshot
from sessions.title import title_from
from sessions.work_directory import check_work_directory, open_project
from storage import ConstraintViolated, UuidMaker


class NewSession(msgspec.Struct, frozen=True):
    """The facts of a new session. `key` names its place; of the sessions not ended, only one holds a key."""

    user_id: str
    channel_id: str
    key: str = ""
    title: str = ""
    project: str = ""
    model: str = ""
    mode: PermissionMode | None = None
    focus: str = ""
    """With a focus, the session's folder is stored in the change that makes the session."""
    own_copy: bool = False


class SessionMaker:
    """Makes sessions for `loaded`. The defaults apply if a wish names no model or mode."""

    def __init__(
        self, loaded: LoadedSessions, around: Dependencies, default_model: str, default_mode: PermissionMode
    ) -> None:
        self._loaded = loaded
        self._around = around
        self._default_model = default_model
        self._default_mode = default_mode
        self._ids = UuidMaker()

    async def create(self, wish: NewSession) -> Session:
        """Make a session; with `wish.own_copy` in a copy of the project's files.

        Raises `WorkDirectoryRefused`, `ModelRefused`, `PlaceTaken` if its key is taken, `BranchRefused` if the
        files cannot be copied.
        """
        work_directory = await self._project(wish)
        created = self._created(wish, work_directory)
        if wish.own_copy:
            return await self._in_project_copy(wish, created)
        async with self._making(wish) as session, session.change(new_session=True) as draft:
            draft.add(created)
            self._put_folder(wish, draft)
        return session

    async def _in_project_copy(self, wish: NewSession, created: e.SessionCreated) -> Session:
        """Make a session in a copy of the project's files."""
        from sessions.own_copies import ProjectFiles, drop_own_copy, make_own_copy

        async with self._making(wish) as session:
            place = Snapshot(session.id, work_directory=created.work_directory, project=created.project)
            files = ProjectFiles(session.id, place, self._around)
            copy = await make_own_copy(files, session.id, created.title)
            try:
                async with session.change(new_session=True) as draft:
                    draft.add(created)
                    copy.put_on(draft)
                    self._put_folder(wish, draft)
            except BaseException:
                # Otherwise the session is stored: a commit is carried out even if its caller is cancelled.
                if session.snapshot.next_event == 1:
                    await drop_own_copy(self._around, copy.branch)
                raise
        return session

    def _put_folder(self, wish: NewSession, draft: Draft) -> None:
        if wish.focus:
            from sessions.folders import new_folder

            draft.extra.append(new_folder(draft.snapshot, wish.focus, draft.at_ms))

    async def get_or_create(self, wish: NewSession) -> Session:
        """Return the session that holds `wish.key` and has not ended, or make one.

        Concurrent calls get the same session. Without a key, each call makes a new one.
        """
        if not wish.key:
            return await self.create(wish)
        while True:
            known = await rows.find_by_key(self._around.db, wish.key)
            if known is not None:
                return await self._loaded.get(known)
            try:
                return await self.create(wish)
            # Another call made it in between: the unique index decides, and the next round finds it.
            except PlaceTaken:
                continue

    async def branch(
        self, parent: Session, turn_id: TurnId | None, wish: NewSession, *, own_copy: bool = False
    ) -> Session:
        """Make a session that goes on from a turn of `parent` (None: the last one). The parent is unchanged.

        With `own_copy` it gets a copy of the files as they are now, if checkpoints are on.

        Raises `IllegalMove` if that turn cannot be branched from yet, `TurnNotFound` if it is not the parent's,
        `ConversationGone` if Claude has no record of it any more, `PlaceTaken`, `BranchRefused` if the files
        cannot be copied.
        """
        from sessions.branching import begin_branch, find_branch_begin
        from sessions.own_copies import drop_own_copy, make_own_copy

        turn = await rows.find_branch_turn(self._around.db, parent.id, turn_id)
        if turn.status not in ENDED:
            raise IllegalMove("Branching from this turn", "not that far")
        # Before anything is made: a turn without a record is refused, and leaves nothing.
        begin = await find_branch_begin(self._around, parent, turn)
        async with self._making(wish) as session:
            copies = own_copy and self._around.checkpoints is not None
            title = wish.title or parent.snapshot.title
            copy = await make_own_copy(parent, session.id, title) if copies else None
            directory = copy.branch.directory if copy is not None else parent.snapshot.work_directory
            try:
                await begin_branch(session, self._created(wish, directory), begin, copy)
            except BaseException:
                if copy is not None and session.snapshot.next_event == 1:
                    await drop_own_copy(self._around, copy.branch)
                raise
        return session

    async def from_archive(
        self, data: bytes, wish: NewSession, more: Callable[[Draft], None] | None = None
    ) -> Session:
        """Make a session of an exported file. `more` adds to the change that stores it.

        Raises `ImportRefused`, `WorkDirectoryRefused`, `PlaceTaken`.
        """
        from sessions.archive import read_archive
        from sessions.archive_trial import refuse_costly

        # Before it is decoded here: a hostile file would take many times its size in memory.
        await refuse_costly(data)
        archive = await asyncio.to_thread(read_archive, data)
        work_directory = await self._project(wish)
        # The name comes from a file, and would go on a launch line.
        model = wish.model or (archive.model if is_model_name(archive.model) else "")
        titled = replace(wish, title=wish.title or archive.title, model=model)
        async with self._making(wish) as session:
            await fill_from_archive(session, self._created(titled, work_directory), archive, more)
        return session

    async def free_conversations(self) -> list[StoredConversation]:
        """Return Claude's conversations on this machine that no session has, last written first."""
        found = await asyncio.to_thread(self._around.conversations.stored)
        taken = await rows.conversations_in_use(self._around.db)
        return [each for each in found if each.conversation_id not in taken]

    async def adopt(self, conversation_id: str, wish: NewSession) -> Session:
        """Make a session of a conversation begun elsewhere. It works in `wish.project`, else where it did.

        Raises `SessionNotFound` if no such conversation is free, `WorkDirectoryRefused` if the directory is not
        allowed.
        """
        free = {each.conversation_id: each for each in await self.free_conversations()}
        if conversation_id not in free:
            raise SessionNotFound(conversation_id)
        conversation = free[conversation_id]
        if wish.project:
            directory = Path(await self._project(wish))
        else:
            # The transcript says where it ran, and anything may stand there.
            directory = check_work_directory(
                Path(conversation.cwd), self._around.workspace_root, self._around.private_places
            )
        turns = await asyncio.to_thread(self._around.conversations.turns_after, conversation_id, directory)
        titled = replace(wish, title=wish.title or conversation.title or conversation.first_prompt)
        created = self._created(titled, str(directory))
        async with self._making(wish) as session:
            came_from = conversation.cwd if wish.project and conversation.cwd != str(directory) else ""
            await fill_from_transcript(session, created, conversation_id, turns, came_from)
        return session

    @asynccontextmanager
    async def _making(self, wish: NewSession) -> AsyncIterator[Session]:
        """Yield an empty session that the block fills and stores."""
        with self._loaded.making(SessionId(self._ids.make())) as session:
            try:
                yield session
            except ConstraintViolated as error:
                # Two sessions may be made for one place at once: the look before this decided nothing.
                if wish.key and error.constraint == "SQLITE_CONSTRAINT_UNIQUE":
                    raise PlaceTaken from error
                raise

    async def _project(self, wish: NewSession) -> str:
        directory = await asyncio.to_thread(
            open_project, wish.project, self._around.workspace_root, self._around.private_places
        )
        return str(directory)

    def _created(self, wish: NewSession, work_directory: str) -> e.SessionCreated:
        model = wish.model or self._default_model
        if model and not is_model_name(model):
            raise ModelRefused(model)
        return e.SessionCreated(
            user_id=wish.user_id,
            channel_id=wish.channel_id,
            key=wish.key,
            title=title_from(wish.title),
            project=wish.project,
            work_directory=work_directory,
            model=model,
            mode=wish.mode or self._default_mode,
        )
