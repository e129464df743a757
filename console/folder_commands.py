"""Parses `/focus`, `/note`, `/decision`, `/end` and `/backup`. Pure."""

from dataclasses import dataclass

import api as c
from api.words.backups import (
    artifact_lines,
    backup_line,
    cleanup_line,
    folder_lines,
    metrics_lines,
    read_score,
    rotation_lines,
)
from console.core_commands import NotUnderstood, OfBridge, OfSession
from sessions.stored_folders import NoteKind

GUIDE = {
    "/focus [TEXT]": "say what the session is for; it gets a readable id and a folder. Alone: show the folder",
    "/note TEXT": "write a note into the session's folder; /notes lists notes and decisions",
    "/decision TITLE | WHY": "write a decision into the session's folder",
    "/artifacts": "list the files that the session created, changed and deleted",
    "/end": "draft the summary and show the figures; then:",
    "/end ok [SCORE] [| SUMMARY]": "end it with the draft or your summary; a score is: Role 4, Logic 3",
    "/end just": "end it without summary and bundle",
    "/backup list|create": "list the backups; make one of this session",
    "/backup create daily|LABEL": "back up everything, as a daily backup or a milestone (admins)",
    "/backup verify ID": "read a backup byte by byte",
    "/backup restore ID [PROJECT]": "restore a session into a new one, or a project of a daily backup",
    "/backup cleanup [yes]": "show what the rules would remove; yes removes it (admins)",
}


@dataclass(frozen=True, slots=True)
class RestoreSessionBackup:
    """Restore a session's backup, and open the session."""

    backup_id: str
    project: str


FolderCommand = OfSession | OfBridge | RestoreSessionBackup | NotUnderstood
NAMES = frozenset({"focus", "note", "notes", "decision", "artifacts", "end", "backup"})


def parse_folder(name: str, rest: str) -> FolderCommand:
    """Return the meaning of one of the commands of `NAMES`."""
    match name:
        case "focus" if rest:
            return OfSession(lambda id_, _: c.SetFocus(session_id=id_, focus=rest), _folder)
        case "focus":
            return OfSession(lambda id_, _: c.ReadFolder(session_id=id_), _folder)
        case "note" if rest:
            return _note(NoteKind.NOTE, "", rest)
        case "decision" if rest:
            # Without a bar the text is the whole decision; the core makes a title of it.
            title, _, why = rest.partition("|")
            return _note(NoteKind.DECISION, title.strip() if why else "", why.strip() or rest)
        case "note" | "decision":
            return NotUnderstood(f"Say it: /{name} TEXT.")
        case "notes":
            return OfSession(lambda id_, _: c.ListNotes(session_id=id_), _notes)
        case "artifacts":
            return OfSession(
                lambda id_, _: c.ReadArtifacts(session_id=id_), lambda a: "\n".join(artifact_lines(a))
            )
        case "end":
            return _end(rest)
        case _:
            return _backup(rest.split())


def _note(kind: NoteKind, title: str, text: str) -> OfSession:
    return OfSession(
        lambda id_, _: c.AddNote(session_id=id_, kind=kind, title=title, text=text),
        lambda note: f"{kind.value.capitalize()} {note.number} is kept.",
    )


def _end(rest: str) -> FolderCommand:
    word, _, more = rest.partition(" ")
    match word:
        # The word alone ends nothing, because one mistyped word must not end a session.
        case "":
            return OfSession(lambda id_, _: c.DraftEnd(session_id=id_), _drafted)
        case "just":
            return OfSession(lambda id_, _: c.Clear(session_id=id_), lambda _: "The session has ended.")
        case "ok":
            points, _, summary = more.partition("|")
            try:
                score = read_score(points)
            except ValueError:
                return NotUnderstood("A score is a line such as: /end ok Role 4, Logic 3 | Your summary.")
            return OfSession(
                lambda id_, _: c.EndSession(session_id=id_, summary=summary.strip(), score=score), _folder
            )
        case _:
            return NotUnderstood("Say /end, /end ok [SCORE] [| SUMMARY], or /end just.")


def _backup(words: list[str]) -> FolderCommand:
    match words:
        case ["list"] | []:
            return OfBridge(c.ListBackups(), _backups)
        case ["create"]:
            return OfSession(lambda id_, _: c.BackUpSession(session_id=id_), _made)
        case ["create", "daily"]:
            return OfBridge(c.BackUpAll(), _made)
        case ["create", *label]:
            return OfBridge(c.BackUpAll(label=" ".join(label)), _made)
        case ["verify", backup_id]:
            return OfBridge(c.VerifyBackup(backup_id=backup_id), _verified)
        # The id tells the kind: only a session's backup has a conversation to open.
        case ["restore", backup_id, *project] if backup_id.startswith("sessions/") and len(project) < 2:
            return RestoreSessionBackup(backup_id, "".join(project))
        case ["restore", backup_id]:
            return RestoreSessionBackup(backup_id, "")  # the core says why it cannot be restored like this
        case ["restore", backup_id, project]:
            wish = c.RestoreProject(backup_id=backup_id, project=project)
            return OfBridge(wish, lambda done: f"{done.files:,} files are in the new project {done.project}.")
        case ["cleanup"]:
            return OfBridge(c.PlanRotation(), lambda report: "\n".join(rotation_lines(report)))
        case ["cleanup", "yes"]:
            return OfBridge(c.ApplyRotation(), lambda report: "\n".join(rotation_lines(report)))
        case _:
            return NotUnderstood("Say it like this: /backup list, create, verify ID, restore ID, cleanup.")


def _folder(folder: c.FolderInfo) -> str:
    if not folder.name:
        return "This session has no folder yet. A focus gives it one: /focus TEXT."
    return "\n".join(folder_lines(folder))


def _notes(found: c.FolderNotes) -> str:
    lines = [f"{each.kind.value} {each.number}: {each.title}" for each in found.notes]
    return "\n".join(lines) or "There are no notes yet."


_HOW_TO_END = (
    "/end ok ends the session with this summary. With a score and words of yours:"
    " /end ok Logic 4, Mood 3 | It works. /end just leaves all of it out."
)


def _drafted(folder: c.FolderInfo) -> str:
    lines = [*metrics_lines(folder.metrics), "", folder.draft or "There is nothing to tell yet.", ""]
    return "\n".join([*lines, _HOW_TO_END])


def _backups(found: c.BackupList) -> str:
    lines = [backup_line(each) for each in found.backups] or ["There are no backups yet."]
    if offer := cleanup_line(found):
        lines.append(f"{offer} /backup cleanup shows them.")
    return "\n".join(lines)


def _made(backup: c.BackupInfo) -> str:
    return f"The backup is made: {backup_line(backup)}"


def _verified(done: c.VerifiedBackup) -> str:
    if done.backup.damage:
        return f"{done.backup.id} is damaged. {done.backup.damage}"
    return f"{done.backup.id} is whole: every byte of it was read."
