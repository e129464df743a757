"""Sentences about backups and sessions' folders, the same in every face."""

from collections.abc import Mapping
from datetime import datetime

from api.backing_up import BackupInfo, BackupKind, BackupList, RotationReport
from api.folders import Artifacts, FolderInfo, SessionMetrics

KINDS = {BackupKind.SESSION: "session", BackupKind.DAILY: "daily", BackupKind.MILESTONE: "milestone"}


def backup_line(backup: BackupInfo) -> str:
    """Return a backup in one line: its id, time, size, and its state if something is wrong or was checked."""
    parts = [backup.id, local(backup.made_ms), size(backup.size_bytes)]
    if backup.label:
        parts.append(backup.label)
    if backup.damage:
        parts.append(f"damaged: {backup.damage.rstrip('.')}")
    elif backup.verified_ms is not None:
        parts.append(f"verified {local(backup.verified_ms)}")
    if backup.trouble:
        parts.append(f"incomplete: {backup.trouble.rstrip('.')}")
    if backup.copied_code:
        parts.append(f"copy elsewhere failed with code {backup.copied_code}")
    return " · ".join(parts)


def last_backup_line(backup: BackupInfo | None) -> str:
    """Return a line on the newest daily backup, and on its copy elsewhere."""
    if backup is None:
        return "Last daily backup: none yet"
    line = f"Last daily backup: {backup.id} · {local(backup.made_ms)} · {size(backup.size_bytes)}"
    if backup.copied_code is None or backup.copied_ms is None:
        return line
    return f"{line} · BACKUP_COMMAND ended with code {backup.copied_code} at {local(backup.copied_ms)}"


def cleanup_line(backups: BackupList) -> str:
    """Return the offer of the weekly clean-up; empty if nothing is due."""
    if not backups.due:
        return ""
    what = "One backup is" if backups.due == 1 else f"{backups.due:,} backups are"
    return f"{what} older than the rules keep ({size(backups.due_bytes)})."


def rotation_lines(report: RotationReport) -> list[str]:
    """Return what a rotation would remove, or has removed."""
    if not report.backups:
        return ["No backup is older than the rules keep."]
    verb = "Removed" if report.applied else "These would go"
    head = f"{verb}: {len(report.backups):,}, {size(report.size_bytes)}."
    return [head, *(f"- {backup_line(each)}" for each in report.backups[:20])]


def metrics_lines(metrics: SessionMetrics) -> list[str]:
    """Return the figures of a session."""
    cost = f"${metrics.cost_usd:.2f}" if metrics.cost_usd else "no cost"
    work = f"{minutes(metrics.active_ms)} at work in {minutes(metrics.wall_ms)}"
    numbers = (("turn", metrics.turns), ("error", metrics.errors), ("ask", metrics.asks))
    counts = " · ".join(f"{number:,} {word}{'' if number == 1 else 's'}" for word, number in numbers)
    lines = f"lines +{metrics.lines_added} −{metrics.lines_removed}"
    files = f"{metrics.files_created} created, {metrics.files_changed} changed, {metrics.files_deleted} deleted"
    return [
        f"{work} · {counts} · {cost}",
        f"Files: {files} · {lines}",
        f"Checkpoints: {metrics.checkpoints}, milestones: {metrics.milestones}",
    ]


def folder_lines(folder: FolderInfo) -> list[str]:
    """Return the folder of a session."""
    if not folder.name:
        return ["This session has no folder yet. A focus gives it one: /session focus."]
    lines = [f"{folder.name} · {'archived' if folder.is_archived else 'active'}"]
    if folder.focus:
        lines.append(f"Focus: {folder.focus}")
    if folder.origin:
        lines.append(f"Restored from {folder.origin}")
    lines += metrics_lines(folder.metrics)
    lines.append(f"Notes: {folder.notes}, decisions: {folder.decisions}")
    if folder.score:
        lines.append("Score: " + ", ".join(f"{axis} {value}" for axis, value in folder.score.items()))
    if folder.backup:
        lines.append(f"Bundle: {folder.backup}")
    if folder.trouble:
        lines.append(folder.trouble)
    return lines


def artifact_lines(artifacts: Artifacts, most: int = 20) -> list[str]:
    """Return the files of a session, created ones first."""
    groups = (("created", artifacts.created), ("changed", artifacts.changed), ("deleted", artifacts.deleted))
    lines = [f"- {word}: {path}" for word, paths in groups for path in paths]
    more = [f"- and {artifacts.total - most:,} more"] if artifacts.total > most else []
    return [*lines[:most], *more] or ["No files yet."]


def score_text(score: Mapping[str, int], axes: tuple[str, ...]) -> str:
    """Return a score as a line to edit: every axis with its points, or without."""
    return ", ".join(f"{axis} {score[axis]}" if axis in score else f"{axis} -" for axis in axes)


def read_score(text: str) -> dict[str, int]:
    """Return the points that a line such as `Role 4, Logic -` gives. Raises `ValueError` for anything else."""
    score: dict[str, int] = {}
    for part in text.replace("\n", ",").split(","):
        # From the right: the name of an axis may have spaces.
        axis, _, points = part.strip().rpartition(" ")
        if axis and points != "-":
            score[axis.strip(" :")] = int(points)
    return score


def local(at_ms: int) -> str:
    """Return a time where the bridge runs."""
    return datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M")


def size(count: int) -> str:
    """Return a number of bytes for people."""
    # Small sizes would read 0.0 or 0.1 MB.
    return f"{count / 2**20:,.1f} MB" if count >= 100_000 else f"{count / 1024:,.1f} kB"


def minutes(ms: int) -> str:
    """Return a length of time in minutes, or hours."""
    total = round(ms / 60_000)
    return f"{total // 60} h {total % 60} min" if total >= 60 else f"{total} min"
