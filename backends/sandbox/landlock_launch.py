"""Restrict this process by Landlock and a system call filter, then become the given program.

Started as a file with `python -I -S`: imports little and nothing of ours, so that a start costs some ten
milliseconds. `landlock.py` puts the restrictions into the variable CLAUDE_BRIDGE_LANDLOCK: marshalled for the
same interpreter (`json` alone would double the time), in hexadecimal digits. The program does not get it.

Exits with 125 and a sentence if anything cannot be applied: nothing ever runs with less than was asked for.
"""

import _socket
import ctypes
import marshal
import os
import resource
import sys
import time

_VARIABLE = b"CLAUDE_BRIDGE_LANDLOCK"
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_BENEATH_PATH = 1
_SET_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_BOUNDING_DROP, _AMBIENT, _AMBIENT_CLEAR, _CAPABILITY_VERSION = 24, 47, 4, 0x20080522
_FAILED = 125
_NETWORK_S = 10.0

_libc = ctypes.CDLL(None, use_errno=True)


class _Ruleset(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_char_p)]


def main() -> None:
    """Restrict this process as the variable says and replace it by the program of the arguments."""
    environment = _given_environment()
    asked = marshal.loads(bytes.fromhex(environment.pop(_VARIABLE).decode()))  # noqa: S302 - we made it
    made = asked["make"]
    if made:
        os.makedirs(made, mode=0o700, exist_ok=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if asked["processes"]:
        resource.setrlimit(resource.RLIMIT_NPROC, (asked["processes"], asked["processes"]))
    if asked["asks"]:
        _ask_for_network(*asked["asks"])
    _check(_libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    if asked["handled"]:
        _restrict(asked["handled"], asked["size"], asked["rules"])
    # Only now: programs that ran before can have planted links here, which lead nowhere else any more.
    for path, target in asked["links"]:
        _link(path, target)
    _drop_capabilities()
    if asked["filter"]:
        steps = asked["filter"]
        program = _Program(len(steps) // 8, steps)
        _check(_libc.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0))
    os.execvpe(sys.argv[1], sys.argv[1:], environment)  # noqa: S606


def _given_environment() -> dict[bytes, bytes]:
    """Return the environment as it was given: in the locale C, Python itself adds LC_CTYPE to `os.environ`."""
    with open("/proc/self/environ", "rb") as file:
        words = file.read().split(b"\0")
    return {name: value for name, sign, value in (word.partition(b"=") for word in words) if sign}


def _ask_for_network(path: str, words: str) -> None:
    """Have the proxy listen on this sandbox's loopback. One that was killed comes back within a second."""
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


def _restrict(handled: list[int], size: int, rules: list[tuple[str, int, int]]) -> None:
    ruleset = _Ruleset(*handled)
    descriptor = _check(_call(_CREATE_RULESET, ctypes.byref(ruleset), size, 0))
    for path, whole, file_only in rules:
        try:
            parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # nothing is there
        allowed = whole if path == "/" or os.path.isdir(path) else file_only
        beneath = _Beneath(allowed, parent)
        _check(_call(_ADD_RULE, descriptor, _BENEATH_PATH, ctypes.byref(beneath), 0))
        os.close(parent)
    _check(_call(_RESTRICT_SELF, descriptor, 0))
    os.close(descriptor)


def _link(path: str, target: str) -> None:
    """Make the link, in place of an older one or of an empty directory or file."""
    try:
        if os.readlink(path) == target:
            return
        os.unlink(path)
    except OSError:
        pass
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        if os.path.isdir(path):
            os.rmdir(path)
        elif os.path.exists(path) and os.path.getsize(path) == 0:
            os.unlink(path)
        os.symlink(target, path)
    except OSError as error:
        # The program has something of its own there.
        sys.stderr.write(f"landlock: not linked: {path}: {error.strerror}\n")


def _drop_capabilities() -> None:
    """Give up all capabilities, for the program too: with CAP_PERFMON root reads what Landlock would hide."""
    capability = 0
    while _libc.prctl(_BOUNDING_DROP, capability, 0, 0, 0) == 0:
        capability += 1
    _libc.prctl(_AMBIENT, _AMBIENT_CLEAR, 0, 0, 0)
    header, none = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    _check(_libc.capset(header, none))


def _call(number: int, *arguments: object) -> int:
    _libc.syscall.restype = ctypes.c_long
    return int(_libc.syscall(ctypes.c_long(number), *arguments))


def _check(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError, KeyError, EOFError) as reason:
        sys.stderr.write(f"landlock: {reason}\n")
        sys.stderr.flush()
        os._exit(_FAILED)
