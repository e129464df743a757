"""Tells which mode git records for a file, where the disk cannot keep all modes.

`core.fileMode` and `core.symlinks` are false on disks of Windows, of some network mounts and of containers. git
then keeps the mode that it knows, and so do commits and merges of ours.
"""

import msgspec

from workdirs.git import run
from workdirs.model import EntryMode
from workdirs.repository import Repository

_OFF = ("false", "no", "off", "0")


class DiskModes(msgspec.Struct, frozen=True):
    """The modes that git believes from the disk of a work tree."""

    keeps_executable: bool = True
    keeps_links: bool = True

    @property
    def are_exact(self) -> bool:
        """Whether git believes all of them."""
        return self.keeps_executable and self.keeps_links

    def recorded(self, found: EntryMode, known: EntryMode | None) -> EntryMode:
        """Return the mode that git records for a file that lies there as `found` and was known as `known`."""
        if found is EntryMode.LINK:
            return found
        if known is EntryMode.LINK:
            return found if self.keeps_links else known
        return found if self.keeps_executable else known or EntryMode.FILE

    def written(self, mode: EntryMode) -> EntryMode:
        """Return how git writes an entry of that mode: a link is a plain file where there are none."""
        return EntryMode.FILE if mode is EntryMode.LINK and not self.keeps_links else mode


def disk_modes(repository: Repository) -> DiskModes:
    """Read the two settings of a repository. Raises `GitFailed`."""
    pattern = r"^core\.(filemode|symlinks)$"
    listed = run(repository.call("config", "--get-regexp", pattern), codes=(0, 1)).text
    words = dict(line.lower().partition(" ")[::2] for line in listed.splitlines())
    return DiskModes(words.get("core.filemode") not in _OFF, words.get("core.symlinks") not in _OFF)
