"""Where backups lie below DATA_DIR/backups, and their ids."""

from pathlib import Path

import api as c
from archives.manifest import NAME
from service.parts import ServiceParts

SUFFIX = "-backup.zip"


def backups_directory(parts: ServiceParts) -> Path:
    """Return the directory of all backups."""
    return parts.manager.policy.run_directory.parent / "backups"


def file_of(parts: ServiceParts, info: c.BackupInfo) -> Path:
    """Return the file whose hash is the backup's: the bundle of a session, the manifest of others."""
    if info.kind is c.BackupKind.SESSION:
        return backups_directory(parts) / f"{info.id}{SUFFIX}"
    return whole_of(parts, info) / NAME


def whole_of(parts: ServiceParts, info: c.BackupInfo) -> Path:
    """Return the directory of a daily backup or milestone."""
    return backups_directory(parts) / info.id


def backup_id_of(root: Path, place: Path) -> str:
    """Return the id of the backup whose file is `place`."""
    # Of a whole backup the manifest is the file, and its directory has the name.
    if place.name == NAME:
        return place.parent.relative_to(root).as_posix()
    return place.relative_to(root).as_posix().removesuffix(".zip").removesuffix("-backup")


def free_id(wanted: str, taken: set[str]) -> str:
    """Return `wanted`, or with the first number after it that no backup has."""
    number, free = 1, wanted
    while free in taken:
        number += 1
        free = f"{wanted}-{number}"
    return free


def size_of(parts: ServiceParts, info: c.BackupInfo) -> int:
    """Return the bytes that a backup takes on the disk."""
    if info.kind is c.BackupKind.SESSION:
        return file_of(parts, info).stat().st_size
    return sum(path.stat().st_size for path in whole_of(parts, info).rglob("*") if path.is_file())
