"""The row that gives a session its folder and readable id."""

from datetime import datetime
from pathlib import Path

from archives.names import project_directory
from sessions.rows.folders import insert_folder
from sessions.snapshot import Snapshot
from sessions.stored_folders import StoredFolder
from storage import Statement


def new_folder(snapshot: Snapshot, focus: str, now_ms: int) -> Statement:
    """Give the session a folder, named after the day here, the next number and `focus` or its title."""
    project = snapshot.project or Path(snapshot.work_directory).name
    return insert_folder(
        StoredFolder(
            session_id=snapshot.id,
            project=project,
            directory=project_directory(project),
            # In the machine's zone: people look for a day as their calendar has it.
            day=datetime.fromtimestamp(now_ms / 1000).astimezone().strftime("%Y-%m-%d"),
            focus=focus or snapshot.title,
            began_ms=snapshot.created_ms or now_ms,
        )
    )
