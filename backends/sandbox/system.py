"""The system's part of what a sandbox shows, as this machine has it. Only looks."""

import os
from pathlib import Path

from backends.sandbox.model import System

_DIRECTORIES = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix/store")
_POINTERS = ("/etc/resolv.conf", "/etc/localtime", "/etc/hosts")
"""Files in /etc that may be links to places outside of what is shown, such as /run/systemd/resolve."""

_SECRETS = (
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssl/private",
)
_HOST_KEYS = ("/etc/ssh", "ssh_host_*_key")


def this_system() -> System:
    """Return the directories and links that every sandbox shows."""
    directories, links = [], []
    for path in map(Path, _DIRECTORIES):
        if path.is_symlink():
            links.append((path, str(path.readlink())))
        elif path.is_dir():
            directories.append(path)
    targets = (Path(each).resolve() for each in _POINTERS if Path(each).is_symlink())
    directories += [each for each in targets if each.is_file() and not _is_below(each, directories)]
    return System(tuple(directories), tuple(links))


def system_secrets() -> tuple[Path, ...]:
    """Return the system's files that this user may read and no sandbox shows: for root, passwords and keys."""
    directory, pattern = _HOST_KEYS
    found = [*map(Path, _SECRETS), *sorted(Path(directory).glob(pattern))]
    return tuple(each for each in found if os.access(each, os.R_OK))


def _is_below(path: Path, directories: list[Path]) -> bool:
    return any(path.is_relative_to(each) for each in directories)
