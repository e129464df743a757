"""A sandbox by Landlock and a system call filter: puts a launcher before a program.

Needs no program and no namespaces, so it works where bubblewrap may not. It grants paths and cannot move or
hide single ones: `Access.kept` stays writable, and a directory of `Access.own` is used in its own place, with
links to the paths that lie inside. The network stays open, and processes and memory have no limit of their own.
Format: `linux/landlock.h`; the rights of each ABI: docs.kernel.org, Landlock.
"""

import ctypes
import errno
import marshal
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import CodeType

import msgspec
from msgspec.structs import replace

from backends.base import LaunchRefused, LaunchSpec
from backends.sandbox.model import Access, Enclosure, Mechanism, Network, Own, Policy
from backends.sandbox.seccomp import filter_program
from backends.wrappers import LaunchWrapper

VARIABLE = "CLAUDE_BRIDGE_LANDLOCK"
_LAUNCHER = Path(__file__).with_name("landlock_launch.py")
_FAILED = 125
_RUN = f"""import marshal, posix, sys
try:
    asked, names = marshal.loads(bytes.fromhex(posix.environ[b'{VARIABLE}'].decode())), {{}}
    exec(asked['code'], names)
    names['main'](asked, sys.argv[1:])
except Exception as reason:
    sys.stderr.write(f'landlock: {{reason}}\\n')
    sys.stderr.flush()
    posix._exit({_FAILED})
"""
# Isolated: neither the work directory nor PYTHONPATH may bring modules into the launcher.
_PLAINLY = ("-I", "-S", "-c", _RUN)
_CREATE_RULESET = 444
_VERSION_FLAG = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE, _MAKE = 1 << 4 | 1 << 5, 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 12
_MAKE_DEVICE = 1 << 6 | 1 << 11
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_SCOPES = 1 << 0 | 1 << 1  # abstract sockets, signals

_READ = _EXECUTE | _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _REMOVE | _MAKE | _REFER | _TRUNCATE
# Directories, too: programs take a lock by making one. A file of their own cannot get into it.
_CHANGE = _READ | _WRITE_FILE | _TRUNCATE | 1 << 4 | 1 << 7
_DEVICE = _READ_FILE | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV

_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")
_TMP = "tmp"


class Unavailable(Exception):
    """This kernel has no Landlock; the message says in words why."""


def landlock_abi() -> int:
    """Return the version of Landlock in this kernel, from 1 on. Raises `Unavailable`."""
    if sys.platform != "linux":
        raise Unavailable("only Linux has Landlock")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    # The C library has no functions for Landlock.
    version = int(libc.syscall(ctypes.c_long(_CREATE_RULESET), None, ctypes.c_size_t(0), _VERSION_FLAG))
    if version > 0:
        return version
    match ctypes.get_errno():
        case errno.ENOSYS:
            raise Unavailable("this kernel is older than 5.13, or built without Landlock")
        case errno.EOPNOTSUPP:
            raise Unavailable("Landlock is switched off at this kernel's start (lsm=)")
        case code:
            raise Unavailable(f"the kernel refuses Landlock ({os.strerror(code)})")


class _Rights(msgspec.Struct, frozen=True):
    """The rights that one ABI knows: for files and directories, and the scopes."""

    handled: int
    scoped: int
    size: int


def _rights(abi: int) -> _Rights:
    # The kernel refuses a whole rule set with a right that its ABI does not know.
    handled = _READ | _WRITE_FILE | _REMOVE | _MAKE | _MAKE_DEVICE
    handled |= _REFER if abi >= 2 else 0
    handled |= _TRUNCATE if abi >= 3 else 0
    handled |= _IOCTL_DEV if abi >= 5 else 0
    # The size of the structure grew with the network (4) and the scopes (6).
    return _Rights(handled, _SCOPES if abi >= 6 else 0, 24 if abi >= 6 else 16 if abi >= 4 else 8)


def in_landlock(policy: Policy, abi: int) -> LaunchWrapper:
    """Return the wrapper that runs each program under Landlock of version `abi`.

    The wrapper refuses a network that is not open, and a writable path that holds a hidden one.
    """

    def wrap(spec: LaunchSpec) -> LaunchSpec:
        if policy.network is not Network.OPEN:
            reason = f"Landlock cannot limit the network (SANDBOX_NETWORK={policy.network.value})"
            raise LaunchRefused(spec.argv[0], reason=f"{reason}. Install bubblewrap, or set it to open")
        access = policy.access | spec.access
        tmp = spec.directory / _TMP
        asked = {
            "make": str(tmp),
            "asks": [],
            "processes": 0,
            "size": _rights(abi).size,
            "handled": [_rights(abi).handled, 0, _rights(abi).scoped],
            "rules": list(_rules(policy, access, tmp, spec.argv[0], _rights(abi).handled)),
            "links": [[str(path), str(target)] for path, target in _links(access)],
            "filter": (filter_program(os.uname().machine, shares_processes=True) or b""),
        }
        environment = {
            **_moved(spec.environment, access),
            "TMPDIR": str(tmp),
            VARIABLE: _told(asked),
        }
        words = (sys.executable, *_PLAINLY)
        enclosure = Enclosure(Mechanism.LANDLOCK, policy.network)
        return replace(spec, argv=(*words, *spec.argv), environment=environment, enclosure=enclosure)

    return wrap


class Inner(msgspec.Struct, frozen=True):
    """A launcher within another sandbox: words before the program, its environment, paths to show inside."""

    words: tuple[str, ...]
    environment: Mapping[str, str]
    shown: tuple[tuple[Path, Path], ...]


def within(policy: Policy, environment: Mapping[str, str], asks: tuple[str, str] | None) -> Inner:
    """Return how a program is kept to the paths below its own root, inside a sandbox that bwrap made.

    Without it, a program inside opens through `/proc/PID/fd` the files that another one was started with: the
    host's own logs, and Claude's input, into which it could write the answer to an ask. With newer versions it
    also reaches no abstract socket of the machine. `policy.landlock` is the version of this kernel; with 0 the
    launcher restricts nothing. `asks`: see `proxy.inside.WayOut`.
    """
    rights = _rights(policy.landlock)
    asked = {
        "make": "",
        "asks": list(asks or ()),
        "processes": policy.limits.processes or 0,
        "size": rights.size,
        "handled": [rights.handled, 0, rights.scoped] if policy.landlock else [],
        "rules": [["/", rights.handled, rights.handled]],
        "links": [],
        "filter": b"",
    }
    python, base = Path(sys.executable).resolve(), Path(sys.base_prefix)
    shows_python = any(base.is_relative_to(each) for each in policy.system.directories)
    return Inner(
        words=(str(python), *_PLAINLY),
        environment={**environment, VARIABLE: _told(asked)},
        shown=() if shows_python else ((base, base),),
    )


def _told(asked: Mapping[str, object]) -> str:
    """Return the restrictions and the launcher's code as the value of a variable."""
    return marshal.dumps({**asked, "code": _launcher()}).hex()


@cache
def _launcher() -> CodeType:
    """Return the launcher, compiled once: otherwise each start would compile it."""
    return compile(_LAUNCHER.read_bytes(), _LAUNCHER.name, "exec", dont_inherit=True)


def _rules(
    policy: Policy, access: Access, tmp: Path, program: str, handled: int
) -> Iterator[tuple[str, int, int]]:
    """Yield paths, each with the rights in a directory and those if it is a file."""
    readable = [*policy.system.directories, Path("/proc"), *access.read]
    own = [place for each in access.own for place in (_entries(each) or [each.source])]
    writable = [*access.write, *own, tmp]
    for path in writable:
        # Rules only add rights: a hidden path below a writable one could not be taken back.
        if held := next((each for each in policy.hidden if each != path and each.is_relative_to(path)), None):
            raise LaunchRefused(program, reason=f"Landlock cannot hide {held.name} inside of {path.name}")
    above = frozenset(parent for each in policy.hidden for parent in each.parents)
    hidden = frozenset(policy.hidden)
    found = [(path, _READ) for granted in readable for path in _without(granted, hidden, above)]
    found += [(path, _WRITE) for path in writable]
    found += [(each.source, _CHANGE) for each in access.own if each.entries]
    found += [(Path(path), _DEVICE) for path in _DEVICES]
    for path, rights in found:
        # A rule on a file that names rights of directories is refused, hence the two sets.
        yield str(path), rights & handled, rights & _FILE & handled


def _entries(own: Own) -> list[Path]:
    return [own.source / name for name in own.entries]


def _without(granted: Path, hidden: frozenset[Path], above: frozenset[Path]) -> Iterator[Path]:
    """Yield `granted`, or what it holds instead if a hidden path is among it. `above`: all parents of those."""
    if granted in hidden:
        return
    if granted not in above:
        yield granted
    elif granted.is_dir():
        # Landlock only adds rights: what is beside the hidden path is granted one by one.
        for path in sorted(granted.iterdir()):
            yield from _without(path, hidden, above)


def _links(access: Access) -> Iterator[tuple[Path, Path]]:
    """Yield the links that show granted paths inside of own directories, with what each points to."""
    inner = [(each.target, each.source) for each in access.own]
    plain = [(path, path) for path in (*access.read, *access.write)]
    for path, real in (*inner, *plain):
        above = [each for each in access.own if each.target != path and path.is_relative_to(each.target)]
        if above and real.exists():
            nearest = max(above, key=lambda own: len(own.target.parts))
            yield nearest.source / path.relative_to(nearest.target), real


def _moved(environment: Mapping[str, str], access: Access) -> dict[str, str]:
    """Return the environment with the places of own directories, in lists of paths too."""

    def moved(value: str) -> str:
        if not value.startswith("/"):
            return value
        path = Path(value)
        if any(path.is_relative_to(each) for each in (*access.read, *access.write)):
            return value
        own = [each for each in access.own if path.is_relative_to(each.target)]
        if not own:
            return value
        nearest = max(own, key=lambda each: len(each.target.parts))
        return str(nearest.source / path.relative_to(nearest.target))

    return {name: ":".join(map(moved, value.split(":"))) for name, value in environment.items()}
