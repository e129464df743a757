"""The system's part of what a sandbox shows, as this machine has it. Only looks."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from backends.sandbox.model import System

_DIRECTORIES = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix/store")
_POINTERS = ("/etc/resolv.conf", "/etc/localtime", "/etc/hosts")
"""Files in /etc that may be links to places outside of what is shown, such as /run/systemd/resolve."""

_CONFIGURATION = Path("/etc")


def this_system() -> System:
    """Return the directories and links that every sandbox shows."""
    directories, links = [], []
    for path in map(Path, _DIRECTORIES):
        # Where /usr is merged, `/bin` is a link, and has to be one inside, too.
        if path.is_symlink():
            links.append((path, str(path.readlink())))
        elif path.is_dir():
            directories.append(path)
    targets = (Path(each).resolve() for each in _POINTERS if Path(each).is_symlink())
    directories += [each for each in targets if each.is_file() and not _is_below(each, directories)]
    return System(tuple(directories), tuple(links))


def system_secrets(directory: Path = _CONFIGURATION) -> tuple[Path, ...]:
    """Return the files of `directory` that this user may read and not everybody: passwords, keys, tokens.

    No sandbox shows them. For root, these are `/etc/shadow`, private keys and the like; for others mostly none.
    A directory that not everybody may enter is returned in place of its content.
    """
    found: list[Path] = []
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            if entry.is_symlink():
                continue
            is_directory = entry.is_dir(follow_symlinks=False)
            needed = stat.S_IXOTH | stat.S_IROTH if is_directory else stat.S_IROTH
            is_public = entry.stat(follow_symlinks=False).st_mode & needed == needed
            if not is_public and os.access(entry.path, os.R_OK):
                found.append(Path(entry.path))
            elif is_public and is_directory:
                found += system_secrets(Path(entry.path))
    return tuple(found)


def _is_below(path: Path, directories: list[Path]) -> bool:
    return any(path.is_relative_to(each) for each in directories)
