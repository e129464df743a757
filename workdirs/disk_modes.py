"""Tells which mode git records for a file, where the disk cannot keep all modes.

`core.fileMode` and `core.symlinks` are false on disks of Windows, of some network mounts and of containers. git
then keeps the mode that it knows, and so do commits and merges of ours.
"""

from functools import cached_property

from workdirs.git import run
from workdirs.model import EntryMode
from workdirs.repository import Repository

_OFF = ("false", "no", "off", "0")


class DiskModes:
    """The modes that git believes from the disk of a work tree. Starts git only if a mode is in doubt.

    The methods raise `GitFailed`.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def recorded(self, found: EntryMode, known: EntryMode | None) -> EntryMode:
        """Return the mode that git records for a file that lies there as `found` and was known as `known`."""
        if found is EntryMode.LINK or found is known or (found, known) == (EntryMode.FILE, None):
            return found
        if known is EntryMode.LINK:
            return found if self._keeps_links else known
        return found if self._keeps_executable else known or EntryMode.FILE

    def written(self, mode: EntryMode) -> EntryMode:
        """Return how git writes an entry of that mode: without links on this disk, a link is a plain file."""
        return EntryMode.FILE if mode is EntryMode.LINK and not self._keeps_links else mode

    @property
    def _keeps_executable(self) -> bool:
        return self._settings.get("core.filemode") not in _OFF

    @property
    def _keeps_links(self) -> bool:
        return self._settings.get("core.symlinks") not in _OFF

    @cached_property
    def _settings(self) -> dict[str, str]:
        call = self._repository.call("config", "--get-regexp", r"^core\.(filemode|symlinks)$")
        return dict(line.lower().partition(" ")[::2] for line in run(call, codes=(0, 1)).text.splitlines())
