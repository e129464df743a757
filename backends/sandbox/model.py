"""The values of a sandbox: its mechanism, what a program may reach inside, its network and its limits.

Nothing here looks at the file system. `Access` belongs to one launch; `Policy` belongs to the installation and
holds for every launch.
"""

from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import msgspec

_Each = TypeVar("_Each")


class Mechanism(StrEnum):
    """The way in which a sandbox is made. `none`: the program runs as any program of this user."""

    BWRAP = "bwrap"
    LANDLOCK = "landlock"
    NONE = "none"


class Network(StrEnum):
    """The part of the network that a program reaches.

    `open`: everything that this machine reaches. `listed`: the model and the hosts of a list, through a proxy.
    `model`: the model alone, through the same proxy.
    """

    OPEN = "open"
    LISTED = "listed"
    MODEL = "model"


class Own(msgspec.Struct, frozen=True):
    """A directory that the program gets in place of another one.

    `source` is the real directory, which exists at the launch; inside it stands at `target`. A mechanism that
    cannot move directories (Landlock) grants `source` in its own place, and replaces `target` by `source` in
    the values of the environment.

    With `entries`, such a mechanism lets programs make and remove files only below these directories of
    `source`. Files and links beside them stay; the files can be changed.
    """

    target: Path
    source: Path
    entries: tuple[str, ...] = ()


class Blank(msgspec.Struct, frozen=True):
    """A path at which programs inside must not make anything: `source`, empty, stands there read-only.

    A mechanism that cannot move files (Landlock) leaves the path as it is.
    """

    target: Path
    source: Path


class Access(msgspec.Struct, frozen=True):
    """The paths that a program may reach besides those of the system. All are absolute; missing ones count not.

    `read`: readable and executable. `write`: writable, too. `kept`: below a path of `write`, and read-only all
    the same. `own`: see `Own`; writable. `private`: an empty writable directory in memory, for this one program
    (a mechanism without such directories hides them). `blank`: see `Blank`. A deeper path wins over the one
    that holds it.
    """

    read: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()
    kept: tuple[Path, ...] = ()
    own: tuple[Own, ...] = ()
    private: tuple[Path, ...] = ()
    blank: tuple[Blank, ...] = ()

    def __or__(self, other: "Access") -> "Access":
        """Return everything that either allows, this one's paths first."""
        return Access(
            read=_joined(self.read, other.read),
            write=_joined(self.write, other.write),
            kept=_joined(self.kept, other.kept),
            own=_joined(self.own, other.own),
            private=_joined(self.private, other.private),
            blank=_joined(self.blank, other.blank),
        )


class Limits(msgspec.Struct, frozen=True):
    """Limits inside one sandbox: bytes of each directory in memory, and processes.

    `processes` is None where the system counts processes of a user outside of the sandbox, too.
    """

    processes: int | None = 512
    tmp_bytes: int = 512 * 1024 * 1024


class System(msgspec.Struct, frozen=True):
    """The system's part of what is inside, read-only, as this machine has it.

    `directories` are real directories and files (`/usr`, `/etc`, the target of `/etc/resolv.conf`). `links` are
    symbolic links of the root directory with their targets as written (`/bin` → `usr/bin`).
    """

    directories: tuple[Path, ...] = ()
    links: tuple[tuple[Path, str], ...] = ()


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The sandbox of this installation.

    `program` is the mechanism's program (bwrap's path), or None. `access` is what the settings add. `hidden`
    are private places: inside they are missing or empty even where `system` or `access` would show them, but
    for deeper paths that a launch names. `seccomp_filter` is the file with the system call filter, or None.
    `proxy` is the directory of the proxy for `listed` and `model` (`proxy/state.py`). `landlock` is the version
    of Landlock that another mechanism adds inside (`landlock.within`), 0 for none.
    """

    mechanism: Mechanism
    network: Network = Network.OPEN
    limits: Limits = msgspec.field(default_factory=Limits)
    program: Path | None = None
    system: System = msgspec.field(default_factory=System)
    access: Access = msgspec.field(default_factory=Access)
    hidden: tuple[Path, ...] = ()
    seccomp_filter: Path | None = None
    proxy: Path | None = None
    landlock: int = 0


class Enclosure(msgspec.Struct, frozen=True):
    """The sandbox that a process runs in, as `launch.json` records it and people read it."""

    mechanism: Mechanism = Mechanism.NONE
    network: Network = Network.OPEN


def _joined(first: tuple[_Each, ...], second: tuple[_Each, ...]) -> tuple[_Each, ...]:
    return tuple(dict.fromkeys((*first, *second)))
