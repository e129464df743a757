"""Writes a daily backup or milestone: every project, the database, transcripts, uploads and folders.

Each file is in the manifest with its hash; the manifest comes last, so that a backup without one was cut.
Settings, `.env` and tokens are in no part of it.
"""

import asyncio
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

import api as c
from archives.bundle import Source, sha256_of, write_bundle
from archives.manifest import NAME, Manifest, ManifestEntry, to_json
from archives.names import project_directory
from service.folder_facts import projects_directory
from service.parts import ServiceParts
from sessions.checkpointing import SessionCheckpoints
from storage.files import make_directory, write_whole
from workdirs.bundles import Bundled, write_git_bundle
from workdirs.checkpoint_model import Checkpoint, Note, Reason
from workdirs.errors import WorkdirError
from workdirs.rows import load_directories

DATABASE = "sessions.db"
FILES = "files.zip"
PROJECTS = "projects.json"
OWNER = "backup"


class BackedUpProject(msgspec.Struct, frozen=True):
    """A work directory in a backup. `file` has its checkpoint; `name` is its path below the workspace."""

    name: str
    file: str
    ref: str
    commit: str
    tree: str
    files: int
    made_ms: int


@dataclass(slots=True)
class _Making:
    """A backup in the making."""

    parts: ServiceParts
    target: Path
    trouble: list[str]

    async def projects(self) -> list[BackedUpProject]:
        """Take a checkpoint of every work directory, and write it to a file."""
        taken = self.parts.manager.checkpoints
        if taken is None:
            self.trouble.append("Checkpoints are switched off, so it holds no files of projects.")
            return []
        done: list[BackedUpProject] = []
        # A project that cannot be stored is told of and does not keep the others from it.
        for directory in await self._directories():
            try:
                done.append(await self._project(taken, directory))
            except WorkdirError as error:
                self.trouble.append(f"{directory.name}: {error}.")
        return done

    async def _directories(self) -> list[Path]:
        db = self.parts.manager.db
        used = await db.read("SELECT DISTINCT work_directory FROM sessions WHERE work_directory <> ''")
        known = [each.path for each in await load_directories(db)]
        root = self.parts.manager.policy.workspace_root.resolve()
        paths = {Path(each) for each in (*known, *(str(row[0]) for row in used))}
        # A session may work outside of the workspace. Such a place is not the bridge's to copy.
        return sorted(each for each in paths if each.is_relative_to(root) and each != root and each.is_dir())

    async def _project(self, taken: SessionCheckpoints, directory: Path) -> BackedUpProject:
        place = taken.place_of(directory)
        point = await taken.engine.take(place, Note(OWNER, "", Reason.BACKUP))
        store = await taken.engine.store_of(point)
        name = directory.relative_to(self.parts.manager.policy.workspace_root.resolve()).as_posix()
        file = f"projects/{project_directory(name)}.bundle"
        make_directory(self.target / "projects")
        bundled = [Bundled(point.ref, point.commit)]
        await asyncio.to_thread(write_git_bundle, store, bundled, self.target / file)
        return _described(name, file, point)

    async def database(self) -> None:
        """Put a copy of the database beside the rest. It is one file with the bridge's own copy, not two."""
        if self.parts.copy_database is None:
            return
        copy = await self.parts.copy_database()
        await asyncio.to_thread(_link, copy, self.target / DATABASE)

    def files(self) -> None:
        """Write transcripts, uploads and folders into one ZIP. Blocks."""
        data = self.parts.manager.policy.run_directory.parent
        head = Manifest(kind="files", name=FILES, made_ms=0, entries=())
        write_bundle(self.target / FILES, _sources(data, projects_directory(self.parts)), head)


async def write_whole_backup(parts: ServiceParts, info: c.BackupInfo, target: Path) -> tuple[Manifest, str]:
    """Write the backup into the new directory `target`; return its manifest and sentences about missing parts.

    Raises `OSError`, `WorkdirError`.
    """
    making = _Making(parts, target, [])
    await asyncio.to_thread(make_directory, target)
    projects = await making.projects()
    await asyncio.to_thread(write_whole, target / PROJECTS, msgspec.json.format(msgspec.json.encode(projects)))
    # After the projects: their checkpoints have rows, which the copy then has.
    await making.database()
    await asyncio.to_thread(making.files)
    manifest = await asyncio.to_thread(_manifest, info, target)
    return manifest, " ".join(making.trouble)


def _manifest(info: c.BackupInfo, target: Path) -> Manifest:
    """Write the manifest of all files. Blocks."""
    paths = sorted(path for path in target.rglob("*") if path.is_file() and path.name != NAME)
    entries = []
    for path in paths:
        found = path.stat()
        name = path.relative_to(target).as_posix()
        entries.append(ManifestEntry(name, found.st_size, sha256_of(path), found.st_mode & 0o777))
    facts = {"label": info.label}
    manifest = Manifest(
        kind=info.kind.value, name=info.name, made_ms=info.made_ms, facts=facts, entries=tuple(entries)
    )
    write_whole(target / NAME, to_json(manifest))
    return manifest


def _sources(data: Path, projects: Path) -> Iterator[Source]:
    for root, name in ((data / "transcripts", "transcripts"), (projects, "folders")):
        for directory, names, files in os.walk(root):
            names.sort()
            for file in sorted(files):
                path = Path(directory, file)
                yield Source(f"{name}/{path.relative_to(root).as_posix()}", path)
    for uploads in sorted((data / "run").glob("*/uploads")):
        for path in sorted(uploads.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield Source(f"uploads/{uploads.parent.name}/{path.relative_to(uploads).as_posix()}", path)


def _described(name: str, file: str, point: Checkpoint) -> BackedUpProject:
    return BackedUpProject(name, file, point.ref, point.commit, point.tree, point.files, point.made_ms)


def _link(copy: Path, target: Path) -> None:
    try:
        # A link needs no room, and keeps the copy when the bridge removes its own older ones.
        os.link(copy, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(copy, target)
        target.chmod(0o600)
