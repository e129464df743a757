"""`session …` and `backup …`: a session's record and its backups, typed. The scripts are the same acts.

The bridge that runs here carries them out, else a core that is opened for the one act.
"""

import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace  # noqa: TID251 (a dataclass)
from functools import partial
from pathlib import Path

import msgspec

import api as c
from api.access import Actor
from api.command import R
from api.words.backups import size
from bridge.cli_core import choose_place, finish, say_on_stderr, used_place
from bridge.control_socket import local_actor
from bridge.invocation import BAD_USAGE, FAILED, OK
from bridge.script_core import confirmed, script_core
from bridge.session_arguments import SessionAct
from bridge.settings import Settings
from console.text import clean
from sessions.restore_scope import RestoreScope
from sessions.stored_folders import NoteKind
from texts.os_text import decoded
from texts.whole_numbers import whole_number

_PLACE = "terminal:session"
_MOST_POINTS = 5
_LEAST_OF_AN_ID = 4
_PAGE = 50


class Unclear(Exception):
    """The arguments name nothing, or several things; the message is a sentence."""


def session(wish: SessionAct) -> int:
    """Carry out one act; return the exit code."""
    return finish(partial(_session, wish))


async def _session(wish: SessionAct, settings: Settings) -> int:
    if wish.act == "session start":
        # Only this act may begin something new, and so decide for the demo. The others look for what is there.
        place = await choose_place(settings, demo=wish.demo, say=say_on_stderr)
    else:
        place = used_place(settings, demo=wish.demo, say=say_on_stderr)
    async with script_core(settings, demo=place.demo) as core:
        try:
            # A project or session that was named counts before the directory in which a script was called.
            if wish.directory and not wish.project and not wish.session:
                wish = replace(wish, project=_project_of(Path(wish.directory), settings.workspace_root))
            return await SessionActs(core, local_actor(), wish).do()
        except Unclear as error:
            say_on_stderr(str(error))
            return BAD_USAGE


class SessionActs:
    """The acts on one core. Prints for people, or JSON."""

    def __init__(self, core: c.Core, actor: Actor, wish: SessionAct) -> None:
        self._core = core
        self._actor = actor
        self._wish = wish

    async def do(self) -> int:
        """Carry the act out; return the exit code. Raises `Unclear` and `SessionError`."""
        match self._wish.act:
            case "session start":
                return await self._start()
            case "session checkpoint":
                return await self._checkpoint()
            case "session note" | "session decision":
                return await self._note()
            case "session track":
                found_files = await self._perform(
                    c.TrackArtifacts(session_id=await self._named(), paths=self._wish.paths)
                )
                return self._print(found_files, _artifact_lines(found_files))
            case "session end":
                return await self._end()
            case "session list":
                return await self._list()
            case "session checkpoints":
                found = [each async for each in self._checkpoints(await self._named())]
                return self._print(found, list(map(_checkpoint_line, found)) or ["There are no checkpoints."])
            case "session put-back":
                return await self._put_back()
            case "backup list":
                kind = c.BackupKind(self._wish.kind) if self._wish.kind else None
                backups = await self._perform(c.ListBackups(kind=kind, limit=_PAGE))
                return self._print(
                    backups, list(map(_backup_line, backups.backups)) or ["There are no backups."]
                )
            case "backup create":
                return await self._back_up()
            case "backup verify":
                return await self._verify()
            case _:
                return await self._restore()

    # --- a session's record -------------------------------------------------------------------------------

    async def _start(self) -> int:
        wish = self._wish
        if wish.session:
            session_id = await self._named()
        else:
            c.focus_words(wish.text)  # refused before there is a session
            made = c.CreateSession(channel_id=_PLACE, title=wish.text, project=wish.project)
            session_id = (await self._perform(made)).id
        folder = await self._perform(c.SetFocus(session_id=session_id, focus=wish.text))
        last = (await self._perform(c.ListFolders(project=folder.project, archived=True, limit=1))).folders
        lines = [f"{folder.name}  {session_id}"]
        if last:
            lines += [f"The last session was {last[0].name}:", last[0].summary or "It has no summary."]
        return self._print(folder, lines)

    async def _checkpoint(self) -> int:
        command = c.TakeCheckpoint(
            session_id=await self._named(), label=self._wish.text, milestone=self._wish.milestone
        )
        taken = await self._perform(command)
        return self._print(taken, [f"{taken.id}  {taken.files:,} files are kept."])

    async def _note(self) -> int:
        wish = self._wish
        kind = NoteKind.NOTE if wish.act == "session note" else NoteKind.DECISION
        text = decoded(sys.stdin.buffer.read()) if wish.text == "-" else wish.text
        command = c.AddNote(session_id=await self._named(), text=text, title=wish.title, kind=kind)
        note = await self._perform(command)
        return self._print(note, [f"{note.kind.value} {note.number}: {note.title}"])

    async def _end(self) -> int:
        wish, session_id = self._wish, await self._named()
        summary = decoded(sys.stdin.buffer.read()) if wish.summary == "-" else wish.summary
        if wish.propose:
            folder = await self._perform(c.ProposeEnd(session_id=session_id, summary=summary))
            return self._print(folder, [f"{folder.name}: the end is proposed. Nothing ends before a yes."])
        # An end without words takes the stored draft, so there has to be one.
        if not summary:
            await self._perform(c.DraftEnd(session_id=session_id))
        command = c.EndSession(session_id=session_id, summary=summary, score=_score(wish.score))
        folder = await self._perform(command)
        lines = [f"{folder.name} has ended; its bundle is {folder.backup or 'missing'}."]
        return self._print(folder, lines + ([folder.trouble] if folder.trouble else []))

    async def _list(self) -> int:
        wish = self._wish
        query = c.ListFolders(project=wish.project or None, archived=wish.archived, limit=c.MOST_FOLDERS)
        found = await self._perform(query)
        lines = [f"{each.name}  {each.session_id}  {each.focus}" for each in found.folders]
        return self._print(found, lines or ["No session has a focus."])

    async def _put_back(self) -> int:
        session_id = await self._named()
        found = [each async for each in self._checkpoints(session_id)]
        wanted = self._wish.number
        chosen = next((each for each in found if wanted in (str(each.number), each.info.id)), None)
        if chosen is None:
            raise Unclear(f"There is no checkpoint {wanted}. `session checkpoints` numbers them.")
        preview = await self._perform(
            c.PreviewRestore(session_id=session_id, checkpoint_id=chosen.info.id, scope=RestoreScope.AUTO)
        )
        numbers = f"{preview.creates} created, {preview.changes} changed, {preview.deletes} deleted"
        if not confirmed(f"Put the files back? {numbers}, {preview.kept} left alone.", yes=self._wish.yes):
            return FAILED
        # With the digest of what the person agreed to: if a file has changed since, the core refuses.
        command = c.RestoreFiles(
            session_id=session_id,
            checkpoint_id=chosen.info.id,
            scope=preview.scope,
            digest=preview.digest,
        )
        done = await self._perform(command)
        # `safety` is the checkpoint that the core takes before it touches a file.
        return self._print(done, [f"{done.restored:,} files are back. Checkpoint {done.safety.id} undoes it."])

    async def _checkpoints(self, session_id: str) -> "AsyncIterator[NumberedCheckpoint]":
        """Yield the session's checkpoints with their numbers, newest first."""
        infos: list[c.CheckpointInfo] = []
        cursor = ""
        # To the last page: numbers count from the first checkpoint, which comes last.
        while True:
            listing = c.ListCheckpoints(session_id=session_id, cursor=cursor, limit=_PAGE)
            page = await self._perform(listing)
            infos += page.checkpoints
            cursor = page.cursor
            if not cursor:
                break
        for place, info in enumerate(infos):
            yield NumberedCheckpoint(len(infos) - place, info)

    # --- backups ------------------------------------------------------------------------------------------

    async def _back_up(self) -> int:
        wish = self._wish
        if wish.session and wish.label:
            raise Unclear("Name a session or a label: a milestone is of everything.")
        if wish.session:
            made = await self._perform(c.BackUpSession(session_id=await self._named()))
        else:
            made = await self._perform(c.BackUpAll(label=wish.label))
        return self._print(made, [_backup_line(made)])

    async def _verify(self) -> int:
        done = await self._perform(c.VerifyBackup(backup_id=await self._backup()))
        words = done.backup.damage or f"{done.files:,} files, {size(done.size_bytes)}: sound."
        self._print(done, [words])
        # A script that verifies backups reads the exit code, not the words.
        return FAILED if done.backup.damage else OK

    async def _restore(self) -> int:
        wish, backup_id = self._wish, await self._backup()
        # The id tells the kind. Only a session's bundle has a conversation to go on with.
        if backup_id.startswith("sessions/"):
            command = c.RestoreBackup(backup_id=backup_id, channel_id=_PLACE, project=wish.project)
            made = await self._perform(command)
            return self._print(made, [f"{made.id}  goes on in project {made.project or 'default'}."])
        if not wish.project:
            raise Unclear("This backup is of everything: name one --project to restore.")
        done = await self._perform(c.RestoreProject(backup_id=backup_id, project=wish.project))
        return self._print(done, [f"{done.files:,} files are in project {done.project}."])

    async def _backup(self) -> str:
        wanted = self._wish.backup
        found = (await self._perform(c.ListBackups(limit=c.MOST_FOLDERS))).backups
        ids = [each.id for each in found]
        # A whole id first: it may be the end of another one as well.
        return wanted if wanted in ids else _only(wanted, [each for each in ids if each.endswith(wanted)])

    # --- names --------------------------------------------------------------------------------------------

    async def _named(self) -> str:
        """Return the id of the session that the arguments name; without one, that of the newest folder."""
        wanted = self._wish.session
        active = (await self._perform(c.ListFolders(limit=c.MOST_FOLDERS))).folders
        # The option was left out. An empty one is bad usage, else a script with an unset variable would end
        # somebody's newest session.
        if not wanted:
            if not active:
                raise Unclear("No session has a focus yet: `session start` begins one, or name --session.")
            return active[0].session_id
        query = c.QuerySessions(include_ended=True, limit=100)
        known: dict[str, str] = {each.name: each.session_id for each in active}
        known.update({str(each.id): each.id for each in (await self._perform(query)).sessions})
        if wanted in known:
            return known[wanted]
        return _only(wanted, sorted({known[name] for name in known if name.endswith(wanted)}))

    async def _perform(self, command: c.Command[R]) -> R:
        return await self._core.perform(self._actor, command)

    def _print(self, value: object, lines: Sequence[str]) -> int:
        if self._wish.as_json:
            print(msgspec.json.encode(value).decode())
        else:
            print("\n".join(map(clean, lines)))
        return OK


class NumberedCheckpoint(msgspec.Struct, frozen=True):
    """A checkpoint with its number in the session, from the first one on."""

    number: int
    info: c.CheckpointInfo


def _artifact_lines(found: c.Artifacts) -> list[str]:
    kinds = (("created", found.created), ("changed", found.changed), ("deleted", found.deleted))
    lines = [f"{kind:<8} {path}" for kind, paths in kinds for path in paths]
    return lines or ["The session has not changed any file."]


def _project_of(directory: Path, workspace: Path) -> str:
    """Return the project that `directory` is in. Raises `Unclear` if it is in none."""
    # Resolved: a link that leads into the workspace counts as the place behind it.
    here, root = directory.resolve(), workspace.resolve()
    if not here.is_relative_to(root) or here == root:
        raise Unclear(f"{here} is in no project of WORKSPACE_ROOT ({root}): name a --project.")
    return here.relative_to(root).parts[0]


def _only(wanted: str, found: Sequence[str]) -> str:
    if len(wanted) < _LEAST_OF_AN_ID or not found:
        raise Unclear(f"Nothing is named “{wanted}”, or it is too short. The lists show the names.")
    if len(found) > 1:
        raise Unclear(f"More than one is named “{wanted}”. Write more of it.")
    return found[0]


def _score(given: Sequence[str]) -> dict[str, int]:
    score: dict[str, int] = {}
    for each in given:
        axis, _, points = each.partition("=")
        number = whole_number(points.strip(), _MOST_POINTS)
        if number is None:
            raise Unclear(f"“{each}” is no score. Write AXIS=N, with N from 0 to {_MOST_POINTS}.")
        score[axis.strip()] = number
    return score


def _checkpoint_line(each: NumberedCheckpoint) -> str:
    info = each.info
    files = f"{info.files:>7,} files"
    return f"{each.number:>4}  {info.id}  {info.reason.value:<14}  {files}  {info.label}".rstrip()


def _backup_line(info: c.BackupInfo) -> str:
    trouble = info.damage or info.trouble
    return f"{info.id}  {size(info.size_bytes)}  {info.files:,} files  {trouble}".rstrip()
