"""Cards on a session's folder, its end, and backups. Pure."""

from api import BackupInfo, BackupList, FolderInfo, FolderList, RotationReport
from api.words.backups import backup_line, cleanup_line, folder_lines, metrics_lines, rotation_lines
from bot.bodies import Button, Card, Control, Option, PostWish, Row, Select, Style, Verb
from bot.cards import WAITING
from bot.markdown.answer import fitted
from bot.markdown.cards import escape_inline, one_line
from bot.subjects import UnitKind, subject_of
from sessions.events import Noticed

END, AGREE, JUST_END, NOT_NOW = "end", "agree", "just_end", "not_now"
PICK, VERIFY, RESTORE, PLAN, ROTATE = "pick", "verify", "restore", "plan", "rotate"
SUMMARY, SCORE = "summary", "score"
_MORE = "\n-# …"
_MOST_LISTED = 20
_MOST_CHARS = 3_300  # of Discord's 4,000 for a card; head, foot and figures need the rest
_MOST_OF_YESTERDAY = 1_200


def folder_card(folder: FolderInfo) -> Card:
    """Return the card of a session's folder."""
    return Card(("\n".join(escape_inline(each, 400) for each in folder_lines(folder)),))


def end_card(session_id: str, folder: FolderInfo) -> Card:
    """Return the card from which a session is ended: its figures, the drafted summary, and the choices."""
    whose = "Claude's draft" if folder.drafted_by == "claude" else "A draft"
    head = "**End this session?**\n" + "\n".join(metrics_lines(folder.metrics))
    row: Row = (
        Button(_control(session_id, END), "End it…", Style.PRIMARY),
        Button(_control(session_id, JUST_END), "Just end it", Style.DANGER),
    )
    foot = "-# *End it…* lets you edit the summary and give a score. *Just end it* leaves both out."
    text = _claudes(folder.draft, _MOST_CHARS) or "There is nothing to tell yet."
    return Card((head, f"{whose} of the summary:\n{text}", foot), (row,))


def end_question(event: Noticed, number: int, session_id: str) -> PostWish:
    """Return the post with which Claude proposes to end the session."""
    row: Row = (
        Button(_control(session_id, END, event.about), "Edit and end…", Style.PRIMARY),
        Button(_control(session_id, AGREE, event.about), "End it"),
    )
    foot = "-# Without a click nothing happens, and after a day the offer is gone."
    text = _claudes(event.text, _MOST_CHARS) or "There is nothing to tell yet."
    card = Card(("**Claude would end the session**", text, foot), (row,), accent=WAITING)
    return PostWish(subject_of(UnitKind.NOTICE, number), 0, card)


def ended_card(folder: FolderInfo) -> Card:
    """Return the card of a session that was ended."""
    lines = (escape_inline(each, 400) for each in folder_lines(folder))
    return Card(("\n".join(["**The session has ended.** What was said stays readable.", *lines]),))


def yesterday_text(found: FolderList) -> str:
    """Return what a new session says about the last one of its project; empty without one."""
    if not found.folders:
        return ""
    last = found.folders[0]
    summary = _claudes(last.summary, _MOST_OF_YESTERDAY)
    return f"\n**The last session here** ({last.name}):\n{summary}" if summary else ""


def backups_card(found: BackupList, *, is_admin: bool) -> Card:
    """Return the list of backups, with a choice of one, and the offer of the weekly clean-up."""
    if not found.backups:
        return Card(("**Backups**", "No backup exists yet. `/backup create` makes one."))
    listed = found.backups[:_MOST_LISTED]
    lines = [f"- {escape_inline(backup_line(each), 300)}" for each in listed]
    options = tuple(Option(one_line(each.id, 100), each.id[:100]) for each in listed)
    rows: list[Row | Select] = [Select(_control("", PICK), "Verify or restore one", options)]
    foot = cleanup_line(found) if is_admin else ""
    if foot:
        rows.append((Button(_control("", PLAN), "Clean up…"),))
    return Card(("**Backups**", "\n".join(lines)[:_MOST_CHARS], foot), tuple(rows))


def backup_card(backup: BackupInfo) -> Card:
    """Return the card of one backup."""
    buttons = [Button(_control("", VERIFY, backup.id), "Verify")]
    if backup.kind == "session":
        buttons.append(Button(_control("", RESTORE, backup.id), "Restore into a new session", Style.PRIMARY))
    return Card((escape_inline(backup_line(backup), 400),), (tuple(buttons),))


def rotation_card(report: RotationReport) -> Card:
    """Return what a clean-up would remove, or has removed."""
    text = "\n".join(escape_inline(each, 300) for each in rotation_lines(report))[:_MOST_CHARS]
    if report.applied or not report.backups:
        return Card((text,))
    return Card((text,), ((Button(_control("", ROTATE), "Remove them", Style.DANGER),),))


def _claudes(text: str, room: int) -> str:
    """Return as much of Claude's Markdown `text` as fits `room`, as its answers show it; empty for nothing."""
    words, is_part = fitted(text, room - len(_MORE))
    return words + _MORE if is_part else words


def _control(session_id: str, act: str, detail: str = "") -> Control:
    return Control(Verb.FOLDER, session_id, act, detail)
