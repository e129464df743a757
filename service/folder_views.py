"""The files of a session's folder, made from its facts. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from archives.yaml_text import Value, to_yaml
from service.folder_facts import FolderFacts, local_time
from sessions.stored_folders import EndStatus, FolderPlace, NoteKind, StoredEnd, StoredFolder, StoredNote
from texts.os_text import decoded
from workdirs.changes import ChangeKind
from workdirs.checkpoint_model import Reason

_README = """# {name}

The folder of a session with Claude. The bridge writes it from its database.

| | |
| --- | --- |
| `session.yaml` | the facts: times, artifacts, figures, score |
| <code>summary.md</code> | the summary |
| `notes/`, `decisions/` | a file each; edit them as you like: the bridge never overwrites them |
| `artifacts/` | at the end: the files that the session created or changed, as they were then |
| `snapshots/` | the manifest of each checkpoint: paths, modes, sha256, its ref |

All but notes and decisions is written again by the bridge, so edits there are lost.
"""


def views_of(facts: FolderFacts) -> dict[str, bytes]:
    """Return the files of the folder by their paths in it."""
    views = {
        "session.yaml": to_yaml(_session(facts)),
        "summary.md": _summary(facts),
        "README.md": _README.format(name=facts.folder.name),
    }
    for note in facts.notes:
        views[f"{note.kind.directory}/{note.file}"] = note_text(note)
    # Text of people and tools may hold half of a surrogate pair, which UTF-8 cannot encode.
    return {name: text.encode("utf-8", "replace") for name, text in views.items()}


def note_text(note: StoredNote) -> str:
    """Return the file of a note as the bridge writes it."""
    when = local_time(note.made_ms).strftime("%Y-%m-%d %H:%M")
    return f"# {note.title}\n\n*{when} · {note.author_id}*\n\n{note.text}\n"


def tracking(folders: Sequence[tuple[StoredFolder, StoredEnd | None]], project: str) -> bytes:
    """Return the list of a project's sessions as a Markdown table; `folders` are latest first."""
    lines = [
        f"# Sessions of {project or 'default'}",
        "",
        "Written by the bridge from its database; edits are lost.",
        "",
        "| session | focus | state | score | summary |",
        "| --- | --- | --- | --- | --- |",
    ]
    for folder, end in folders:
        state = "archived" if folder.place is FolderPlace.ARCHIVE else "active"
        # A draft is not confirmed, and would look like the result.
        summary = _first_line(end.summary) if end is not None and end.status is EndStatus.ENDED else ""
        score = _total(end.score) if end is not None else ""
        cells = (folder.name, _cell(folder.focus), state, score, _cell(summary))
        lines.append(f"| {' | '.join(cells)} |")
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def _session(facts: FolderFacts) -> Mapping[str, Value]:
    folder, metrics, end = facts.folder, facts.metrics, facts.end
    ended_ms = facts.ended_ms
    return {
        "id": folder.name,
        "session": folder.session_id,
        "project": folder.project,
        "focus": folder.focus,
        "title": facts.title,
        "restored_from": folder.origin or None,
        "start_time": _iso(folder.began_ms),
        "end_time": _iso(ended_ms) if ended_ms is not None else None,
        "duration_minutes": round(metrics.wall_ms / 60_000, 1),
        "artifacts": {kind: list(_paths(facts, kind)) for kind in ("created", "modified", "deleted")},
        "notes": [each.file for each in facts.notes if each.kind is NoteKind.NOTE],
        "decisions": [each.file for each in facts.notes if each.kind is NoteKind.DECISION],
        "checkpoints": [
            {"number": number, "time": _iso(each.made_ms), "reason": each.reason.value, "label": each.label}
            for number, each in enumerate(facts.checkpoints, start=facts.first_number)
            # Not the automatic ones: each turn makes two. The numbers count all of them.
            if each.label or each.reason in (Reason.MANUAL, Reason.MILESTONE)
        ],
        "metrics": {
            "active_minutes": round(metrics.active_ms / 60_000, 1),
            "turns": metrics.turns,
            "input_tokens": metrics.input_tokens,
            "output_tokens": metrics.output_tokens,
            "cache_read_tokens": metrics.cache_read_tokens,
            "cache_write_tokens": metrics.cache_write_tokens,
            "cost_usd": metrics.cost_usd,
            "files_created": metrics.files_created,
            "files_modified": metrics.files_changed,
            "files_deleted": metrics.files_deleted,
            "lines_added": metrics.lines_added,
            "lines_removed": metrics.lines_removed,
            "checkpoints": metrics.checkpoints,
            "milestones": metrics.milestones,
            "asks": metrics.asks,
            "errors": metrics.errors,
        },
        "score": dict(end.score) if end is not None else {},
    }


def _summary(facts: FolderFacts) -> str:
    end = facts.end
    if end is not None and end.status in (EndStatus.ENDING, EndStatus.ENDED):
        text = end.summary
    elif end is not None and end.draft:
        text = f"*A draft, not confirmed.*\n\n{end.draft}"
    else:
        text = "*The session goes on. Its summary is written at its end.*"
    score = "".join(f"\n- {axis}: {value} of 5" for axis, value in end.score.items()) if end is not None else ""
    head = f"# {facts.folder.focus or facts.folder.name}\n\n{text}\n"
    return f"{head}\n## Score\n{score}\n" if score else head


def _paths(facts: FolderFacts, word: str) -> Iterator[str]:
    kind = {"created": ChangeKind.CREATED, "modified": ChangeKind.CHANGED, "deleted": ChangeKind.DELETED}[word]
    return (decoded(each.path) for each in facts.artifacts if each.kind is kind)


def _iso(at_ms: int) -> str:
    # With the offset: people read these times, and programs must not guess the zone.
    return local_time(at_ms).isoformat(timespec="seconds")


def _total(score: Mapping[str, int]) -> str:
    return f"{sum(score.values())} of {5 * len(score)}" if score else ""


def _first_line(text: str) -> str:
    return next((line.strip("# ").strip() for line in text.splitlines() if line.strip("# ").strip()), "")[:120]


def _cell(text: str) -> str:
    # A `|` would end the cell of the table.
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")
