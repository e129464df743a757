"""The allowed work directories: existing ones under the workspace root, without links that lead out."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from sessions.errors import WorkDirectoryRefused
from texts.os_text import clean, is_clean

DEFAULT_PROJECT = "default"
BRANCHES = ".branches"
"""Directories of branches lie in `WORKSPACE_ROOT/.branches/<project>/<name>` and share the project's store."""
_LONGEST_POINTER = 4096


def open_project(project: str, workspace_root: Path, private: Sequence[Path] = ()) -> Path:
    """Return the directory of `project`, a path below the root. Empty means the default, made when missing.

    Raises `WorkDirectoryRefused` as `check_work_directory` does; the sentence names the project, never a path.
    """
    if not project:
        default = workspace_root / DEFAULT_PROJECT
        workspace_root.mkdir(mode=0o700, parents=True, exist_ok=True)
        default.mkdir(mode=0o700, exist_ok=True)
        return check_work_directory(default, workspace_root, private)
    if "\0" in project:
        raise WorkDirectoryRefused("?", "its name has a character that no directory can have")
    return check_work_directory(workspace_root / project, workspace_root, private)


def check_work_directory(directory: Path, workspace_root: Path, private: Sequence[Path] = ()) -> Path:
    """Resolve `directory`. Raises `WorkDirectoryRefused` unless it is below the root, without `private` places.

    A person who may prompt in a directory may read everything in it. So the root itself is refused, because it
    holds every project, and so is a directory with our own files in it or around it. The home directory, which
    is among the private places, may hold projects.
    """
    name = clean(directory.name) or "?"
    root = workspace_root.resolve()
    try:
        resolved = directory.resolve(strict=True)
    # Before Python 3.13, links in a circle are a `RuntimeError`.
    except (OSError, RuntimeError):
        raise WorkDirectoryRefused(name, "it does not exist", is_gone=True) from None
    if not is_clean(str(resolved)):
        raise WorkDirectoryRefused(name, "its name is not UTF-8 text")
    # With all links resolved: one below the root may lead anywhere.
    if not resolved.is_relative_to(root):
        raise WorkDirectoryRefused(name, "it lies outside the workspace")
    if resolved == root:
        raise WorkDirectoryRefused(name, "it is the workspace itself; name a directory in it")
    # A session there would see the files of all branches of a project.
    if resolved == root / BRANCHES or resolved.parent == root / BRANCHES:
        raise WorkDirectoryRefused(name, "it holds the directories of branches")
    if any(place.resolve().is_relative_to(resolved) for place in private):
        raise WorkDirectoryRefused(name, "it holds files of the bridge, of Claude or of a home")
    if any(resolved.is_relative_to(place) for place in _places_of_no_project(root, private)):
        raise WorkDirectoryRefused(name, "it lies among files of the bridge or of Claude, or among keys")
    if not resolved.is_dir():
        raise WorkDirectoryRefused(name, "it is not a directory")
    if not os.access(resolved, os.R_OK | os.X_OK):
        raise WorkDirectoryRefused(name, "it cannot be read")
    return resolved


def _places_of_no_project(root: Path, private: Sequence[Path]) -> Iterator[Path]:
    """Yield the private places below the root that a work directory may not lie in."""
    home = Path.home().resolve()
    for place in map(Path.resolve, private):
        if place not in (home, root) and place.is_relative_to(root):
            yield place


def shared_git_directory(directory: Path) -> tuple[Path, ...]:
    """Return the repository that `directory` is a work tree of, as a tuple; empty if it has none elsewhere.

    A program in the directory can write any path into the file `.git`. So it counts only if the repository
    names this work tree, too. Reads at most two small files.
    """
    link = directory / ".git"
    try:
        if link.is_symlink() or not link.is_file():
            return ()
        words = link.read_text("utf-8", "replace")[:_LONGEST_POINTER].strip()
        tree = (directory / words.removeprefix("gitdir:").strip()).resolve(strict=True)
        named_back = (tree / "gitdir").read_text("utf-8", "replace")[:_LONGEST_POINTER].strip()
        common = (tree / (tree / "commondir").read_text("utf-8", "replace").strip()).resolve(strict=True)
        same = Path(named_back).resolve(strict=True) == link.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        return ()
    return (common,) if same and tree.parent == common / "worktrees" else ()


def is_inside(work_directory: str, path: str) -> bool:
    """Whether `path`, absolute or relative to the work directory, lies in it. Links are not followed.

    Returns true for every path while the work directory is unknown.
    """
    if not work_directory:
        return True
    place = _place(work_directory, path)
    return place.is_relative_to(os.path.normpath(work_directory))


def _place(work_directory: str, path: str) -> PurePath:
    # The CLI's tools take `~/` for the home directory.
    return PurePath(os.path.normpath(PurePath(work_directory) / os.path.expanduser(path)))  # noqa: PTH111


def seen_from(work_directory: str, path: str) -> str:
    """Show `path` to a person: relative to the work directory; for a long path outside, its last two names."""
    place = _place(work_directory, path)
    if work_directory and is_inside(work_directory, path):
        below = place.relative_to(os.path.normpath(work_directory))
        return str(below) if below.parts else "the work directory"
    return f"…/{'/'.join(place.parts[-2:])}" if len(place.parts) > 3 else str(place)


def list_projects(workspace_root: Path, *, limit: int = 200) -> list[str]:
    """Return the names of the directories directly below the root, sorted.

    Leaves out hidden ones, and names that are not UTF-8 text: nobody could type them.
    """
    if not workspace_root.is_dir():
        return []
    names = (entry.name for entry in os.scandir(workspace_root) if entry.is_dir(follow_symlinks=False))
    return sorted(name for name in names if not name.startswith(".") and is_clean(name))[:limit]
