"""Makes an empty directory in the workspace for files that come back from a backup."""

from pathlib import Path, PurePosixPath

from sessions.errors import BackupRefused
from sessions.work_directory import DEFAULT_PROJECT


def new_project(workspace_root: Path, wanted: str, origin: str) -> str:
    """Return the project whose empty directory takes the files; make it if it is missing. Blocks.

    `wanted` is the choice of a person. Without one it is the project `origin` if that is empty or missing, else
    the first free name beside it. No file of anybody is ever overwritten. Raises `BackupRefused`.
    """
    name = wanted or origin or DEFAULT_PROJECT
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or any(each in ("..", ".") or each[:1] == "." for each in parts):
        raise BackupRefused("the name of the project is not one that a project can have")
    number, free = 1, name
    while not _is_free(workspace_root, free):
        if wanted:
            raise BackupRefused(f"the project {wanted} has files already; name another one, or none")
        number += 1
        free = f"{name}-restored" if number == 2 else f"{name}-restored-{number - 1}"
    try:
        (workspace_root / free).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BackupRefused(f"the project's directory was not made: {error.strerror}") from error
    return free


def _is_free(workspace_root: Path, name: str) -> bool:
    place = workspace_root / name
    if place.is_symlink():
        return False
    try:
        return not any(place.iterdir())
    except FileNotFoundError:
        return True
    except OSError:
        return False
