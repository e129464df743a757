"""Restrict this process by Landlock and a system call filter, then become the given program.

`landlock.py` passes this file compiled, with the restrictions, in the variable CLAUDE_BRIDGE_LANDLOCK of a bare
interpreter: all marshalled for the same one, in hexadecimal digits. The program does not get the variable.
Only modules that are a part of the interpreter are imported, and `_ctypes`: `os`, `ctypes`, `resource` and
compiling cost as much as the interpreter's own start.

If anything cannot be applied, an exception ends the process before the program: nothing ever runs with less
than was asked for.
"""

import _ctypes
import posix
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_VARIABLE = b"CLAUDE_BRIDGE_LANDLOCK"
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_BENEATH_PATH = 1
_SET_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_BOUNDING_DROP, _AMBIENT, _AMBIENT_CLEAR, _CAPABILITY_VERSION = 24, 47, 4, 0x20080522
_PROCESSES, _CORE = 6, 4
_TYPE, _DIRECTORY, _REGULAR = 0o170000, 0o040000, 0o100000
_NETWORK_S = 10.0


class _Long(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "l"


class _Short(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "H"


class _Bytes(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "z"


class _Program(_ctypes.Structure):
    _fields_ = (("length", _Short), ("steps", _Bytes))


class _Function(_ctypes.CFuncPtr):
    """A function of the C library that returns a long and sets errno."""

    _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
    _restype_ = _Long


_library = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]
_syscall, _prctl, _capset, _setrlimit = (
    _Function(_ctypes.dlsym(_library, name)) for name in ("syscall", "prctl", "capset", "setrlimit")
)


def main(asked: "Mapping[str, Any]", words: list[str]) -> None:
    """Restrict this process as `asked` says (`landlock.py`) and replace it by the program of `words`."""
    environment = _given_environment()
    del environment[_VARIABLE]
    if asked["make"]:
        _make_directory(asked["make"])
    _limit(_CORE, 0)
    if asked["processes"]:
        _limit(_PROCESSES, asked["processes"])
    if asked["asks"]:
        _ask_for_network(*asked["asks"])
    # Landlock and seccomp demand it of processes without CAP_SYS_ADMIN. It also makes setuid programs gain
    # nothing.
    _check(_prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    if asked["handled"]:
        _restrict(asked["handled"], asked["size"], asked["rules"])
    # Only now: programs that ran before can have planted links here, which lead nowhere else any more.
    for path, target in asked["links"]:
        _link(path, target)
    _drop_capabilities()
    if asked["filter"]:
        steps = asked["filter"]
        program = _Program(len(steps) // 8, steps)
        _check(_prctl(_SET_SECCOMP, _FILTER, _ctypes.byref(program), 0, 0))
    _become(words, environment)


def _given_environment() -> dict[bytes, bytes]:
    """Return the environment as it was given: in the locale C, Python itself adds LC_CTYPE to its own."""
    descriptor, pieces = posix.open("/proc/self/environ", posix.O_RDONLY), []
    while piece := posix.read(descriptor, 1 << 20):
        pieces.append(piece)
    posix.close(descriptor)
    words = b"".join(pieces).split(b"\0")
    return {name: value for name, sign, value in (word.partition(b"=") for word in words) if sign}


def _ask_for_network(path: str, words: str) -> None:
    """Have the proxy listen on this sandbox's loopback. One that was killed comes back within a second."""
    import _socket

    end = time.monotonic() + _NETWORK_S
    while True:
        try:
            asking = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
            asking.settimeout(_NETWORK_S)
            asking.connect(path)
            asking.send(words.encode())
            answer = asking.recv(16)
            asking.close()
            if answer:
                return
        except OSError:
            pass
        if time.monotonic() > end:
            raise OSError("the proxy of this sandbox's network does not answer")
        time.sleep(0.05)


def _limit(resource: int, most: int) -> None:
    _check(_setrlimit(resource, most.to_bytes(8, "little") * 2))


def _restrict(handled: list[int], size: int, rules: list[tuple[str, int, int]]) -> None:
    ruleset = b"".join(each.to_bytes(8, "little") for each in handled)
    descriptor = _check(_syscall(_CREATE_RULESET, ruleset, size, 0))
    for path, whole, file_only in rules:
        try:
            parent = posix.open(path, posix.O_PATH | posix.O_CLOEXEC)
        except OSError:
            continue  # nothing is there
        is_directory = path == "/" or posix.fstat(parent).st_mode & _TYPE == _DIRECTORY
        allowed = whole if is_directory else file_only
        beneath = allowed.to_bytes(8, "little") + parent.to_bytes(4, "little")
        _check(_syscall(_ADD_RULE, descriptor, _BENEATH_PATH, beneath, 0))
        posix.close(parent)
    _check(_syscall(_RESTRICT_SELF, descriptor, 0))
    posix.close(descriptor)


def _link(path: str, target: str) -> None:
    """Make the link, in place of an older one or of an empty directory or file."""
    if _leads_to(path, target):
        return
    try:
        posix.readlink(path)
        posix.unlink(path)
    except OSError:
        pass
    try:
        _make_directory(path.rpartition("/")[0])
        _remove_empty(path)
        posix.symlink(target, path)
    except OSError as error:
        if _leads_to(path, target):
            return  # another process of the project made it just now
        # The program has something of its own there.
        sys.stderr.write(f"landlock: not linked: {path}: {error.strerror}\n")


def _leads_to(path: str, target: str) -> bool:
    try:
        return posix.readlink(path) == target
    except OSError:
        return False


def _remove_empty(path: str) -> None:
    try:
        found = posix.lstat(path)
    except FileNotFoundError:
        return
    if found.st_mode & _TYPE == _DIRECTORY:
        posix.rmdir(path)
    elif found.st_mode & _TYPE == _REGULAR and found.st_size == 0:
        posix.unlink(path)


def _make_directory(path: str) -> None:
    """Make the directory and those above it, where they are missing."""
    try:
        posix.stat(path)
    except FileNotFoundError:
        _make_directory(path.rpartition("/")[0])
        posix.mkdir(path, 0o700)


def _drop_capabilities() -> None:
    """Give up all capabilities, for the program too: with CAP_PERFMON root reads what Landlock would hide."""
    capability = 0
    # Fails at the first capability that the kernel does not know. Without CAP_SETPCAP it fails at once; then
    # no_new_privs keeps the program from gaining capabilities.
    while _prctl(_BOUNDING_DROP, capability, 0, 0, 0) == 0:
        capability += 1
    _prctl(_AMBIENT, _AMBIENT_CLEAR, 0, 0, 0)
    header = _CAPABILITY_VERSION.to_bytes(4, "little") + bytes(4)
    _check(_capset(header, bytes(24)))


def _become(words: list[str], environment: dict[bytes, bytes]) -> None:
    """Replace this process by the program of `words`, which is looked for in PATH if it has no slash."""
    if "/" in words[0]:
        posix.execve(words[0], words, environment)
    failure = OSError(f"{words[0]} is not in PATH")
    for directory in environment.get(b"PATH", b"/usr/bin:/bin").split(b":"):
        try:
            posix.execve(directory + b"/" + words[0].encode("utf-8", "surrogateescape"), words, environment)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            failure = error
    raise failure


def _check(result: int) -> int:
    if result < 0:
        error = _ctypes.get_errno()
        raise OSError(error, posix.strerror(error))
    return result
