"""`DATA_DIR/projects/<project>/runs/<uuid>/`: metadata.json and the report, views of the rows. Never read back.

A file is replaced whole, so a reader sees the one before or the one after. A project's name and a run's id are
checked before they come near a path.
"""

import os
import re
import shutil
from pathlib import Path
from typing import Any

import msgspec

from api.run_model import RunNotFound
from sessions.model import is_session_id
from workflows.model import Run

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")
_DEFAULT = "default"


def run_directory(data_dir: Path, project: str, run_id: str) -> Path:
    """Return the directory of a run. Raises `RunNotFound` for an id that is no UUID."""
    if not is_session_id(run_id):
        raise RunNotFound(run_id)
    # One directory for each project: a name with separators, or of dots alone, becomes one plain name.
    plain = _NOT_PLAIN.sub("~", project or _DEFAULT).strip(".") or "~"
    return data_dir / "projects" / plain[:120] / "runs" / run_id


def metadata_of(run: Run) -> dict[str, Any]:
    """Return what metadata.json says: the owner's names, and everything else of the run beside them."""
    facts: dict[str, Any] = msgspec.to_builtins(run)
    return {
        "session_id": run.id,
        "feature_request": run.request,
        "status": run.status,
        "current_phase": run.phase,
        "git_context": msgspec.to_builtins(run.git),
        "prd_reference": msgspec.to_builtins(run.prd),
        "statistics": msgspec.to_builtins(run.stats),
        "configuration": msgspec.to_builtins(run.config),
        "created_at": run.created_ms,
        "updated_at": run.updated_ms,
        "completed_at": run.completed_ms,
        "run": facts,
    }


def write_view(data_dir: Path, run: Run) -> None:
    """Write the view of `run`. Raises `OSError`."""
    directory = run_directory(data_dir, run.project, run.id)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(metadata_of(run)), indent=1)
    _replace(directory / "metadata.json", text)
    if run.report:
        _replace(directory / "report.md", run.report.encode("utf-8", "replace"))


def remove_view(data_dir: Path, project: str, run_id: str) -> None:
    """Remove the view of a run. No error if it is gone."""
    shutil.rmtree(run_directory(data_dir, project, run_id), ignore_errors=True)


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_name(f"{path.name}.tmp")
    # `O_NOFOLLOW`: a link at the draft's place would lead the write elsewhere.
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 (a descriptor has no path)
        file.write(content)
        file.flush()
        # Before the rename: otherwise a power cut can leave the new name with nothing in it.
        os.fsync(file.fileno())
    draft.replace(path)
