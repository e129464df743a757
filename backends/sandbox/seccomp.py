"""The system call filter of a sandbox: a classic BPF program for Linux, made without a library.

It refuses calls that no project needs and that reach past files and processes: kernel keyring, BPF, performance
counters, user faults, io_uring, file handles, input pushed into a terminal, new user namespaces, and sockets of
unusual families. Format: `linux/filter.h` and `linux/seccomp.h`; bubblewrap's `--seccomp` takes it as it is.
"""

import errno
import struct
from collections.abc import Iterable, Mapping

import msgspec

_LOAD, _JUMP_EQUAL, _JUMP_BITS, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_X32_BIT = 0x40000000

_CLONE_NEWUSER = 0x10000000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16

_KEYRING = ("add_key", "request_key", "keyctl")
# The last two reach into other processes of the same user, Claude itself among them.
_REFUSED = (
    *(*_KEYRING, "bpf", "perf_event_open", "userfaultfd", "open_by_handle_at"),
    *("process_vm_writev", "pidfd_getfd"),
)
# Landlock knows nothing of these. Their argument of this number names another process; 0 is the caller itself.
_OF_OTHERS = {
    "prlimit64": 0,
    "sched_setscheduler": 0,
    "sched_setparam": 0,
    "sched_setattr": 0,
    "setpriority": 1,
    "ioprio_set": 1,
}
# Nor of these: the machine's programs of this user find each other's memory by its number.
_OF_MACHINE = (
    *("shmget", "shmat", "shmctl", "semget", "semop", "semtimedop", "semctl"),
    *("msgget", "msgsnd", "msgrcv", "msgctl"),
)
# Only these take hold of a process that does not want it: debuggers that start their program go another way.
_PTRACE_ATTACH, _PTRACE_SEIZE = 16, 0x4206
# Callers take ENOSYS for an old kernel and go another way: libuv does without io_uring, glibc uses `clone`. A
# filter sees the flags of `clone`; those of `clone3` lie in memory.
_ABSENT = ("io_uring_setup", "io_uring_enter", "io_uring_register", "clone3")


class Architecture(msgspec.Struct, frozen=True):
    """A kind of processor: its number in the kernel's audit headers, and the numbers of system calls."""

    audit: int
    numbers: Mapping[str, int]
    has_x32: bool = False


_COMMON = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "clone3": 435,
    "pidfd_getfd": 438,
}
ARCHITECTURES: Mapping[str, Architecture] = {
    "x86_64": Architecture(
        audit=0xC000003E,
        has_x32=True,
        numbers={
            **_COMMON,
            "add_key": 248,
            "request_key": 249,
            "keyctl": 250,
            "bpf": 321,
            "perf_event_open": 298,
            "userfaultfd": 323,
            "open_by_handle_at": 304,
            "process_vm_writev": 311,
            "ptrace": 101,
            "ioctl": 16,
            "socket": 41,
            "clone": 56,
            "unshare": 272,
            "prlimit64": 302,
            "sched_setscheduler": 144,
            "sched_setparam": 142,
            "sched_setattr": 314,
            "setpriority": 141,
            "ioprio_set": 251,
            "shmget": 29,
            "shmat": 30,
            "shmctl": 31,
            "semget": 64,
            "semop": 65,
            "semtimedop": 220,
            "semctl": 66,
            "msgget": 68,
            "msgsnd": 69,
            "msgrcv": 70,
            "msgctl": 71,
        },
    ),
    "aarch64": Architecture(
        audit=0xC00000B7,
        numbers={
            **_COMMON,
            "add_key": 217,
            "request_key": 218,
            "keyctl": 219,
            "bpf": 280,
            "perf_event_open": 241,
            "userfaultfd": 282,
            "open_by_handle_at": 265,
            "process_vm_writev": 271,
            "ptrace": 117,
            "ioctl": 29,
            "socket": 198,
            "clone": 220,
            "unshare": 97,
            "prlimit64": 261,
            "sched_setscheduler": 119,
            "sched_setparam": 118,
            "sched_setattr": 274,
            "setpriority": 140,
            "ioprio_set": 30,
            "shmget": 194,
            "shmat": 196,
            "shmctl": 195,
            "semget": 190,
            "semop": 193,
            "semtimedop": 192,
            "semctl": 191,
            "msgget": 186,
            "msgsnd": 189,
            "msgrcv": 188,
            "msgctl": 187,
        },
    ),
}
"""By the machine's name as `os.uname().machine` has it."""


class Refused(msgspec.Struct, frozen=True):
    """The call `number` fails with `error`."""

    number: int
    error: int


class RefusedWithBits(msgspec.Struct, frozen=True):
    """The call `number` fails with EPERM if one of `bits` is set in its first argument."""

    number: int
    bits: int


class RefusedWithValues(msgspec.Struct, frozen=True):
    """The call `number` fails with EPERM if its argument number `argument` is one of `values`."""

    number: int
    argument: int
    values: tuple[int, ...]


class OnlyWithValues(msgspec.Struct, frozen=True):
    """The call `number` fails with `error` unless its argument number `argument` is one of `values`."""

    number: int
    values: tuple[int, ...]
    error: int
    argument: int = 0


Rule = Refused | RefusedWithBits | RefusedWithValues | OnlyWithValues


def filter_program(machine: str, *, shares_processes: bool) -> bytes | None:
    """Return the filter for `machine` (`os.uname().machine`), or None if there is no table for it.

    `shares_processes`: for a mechanism that shows the machine's files and processes. Then no socket can be made
    that could reach a path of the file system; pairs (`socketpair`) can. Limits and priorities of another
    process cannot be set: with them, a program could end the bridge. System V's shared memory, semaphores and
    queues are missing.
    """
    architecture = ARCHITECTURES.get(machine)
    if architecture is None:
        return None
    numbers = architecture.numbers
    # The C library asks netlink for the machine's addresses when it resolves a name.
    families: tuple[int, ...] = (_AF_INET, _AF_INET6, _AF_NETLINK)
    of_others: Mapping[str, int] = {}
    absent: tuple[str, ...] = _ABSENT
    if shares_processes:
        of_others, absent = _OF_OTHERS, (*_ABSENT, *_OF_MACHINE)
    else:
        families = (_AF_UNIX, *families)
    return assemble(
        architecture,
        [
            *(Refused(numbers[name], errno.EPERM) for name in _REFUSED),
            *(Refused(numbers[name], errno.ENOSYS) for name in absent),
            RefusedWithValues(numbers["ioctl"], 1, (_TIOCSTI, _TIOCLINUX)),
            RefusedWithValues(numbers["ptrace"], 0, (_PTRACE_ATTACH, _PTRACE_SEIZE)),
            RefusedWithBits(numbers["clone"], _CLONE_NEWUSER),
            RefusedWithBits(numbers["unshare"], _CLONE_NEWUSER),
            OnlyWithValues(numbers["socket"], families, errno.EAFNOSUPPORT),
            *(OnlyWithValues(numbers[name], (0,), errno.EPERM, at) for name, at in of_others.items()),
        ],
    )


def assemble(architecture: Architecture, rules: Iterable[Rule]) -> bytes:
    """Return the program that applies `rules` to calls of `architecture` and refuses those of any other."""
    program = [
        # First: a 32-bit call (`int 0x80`) has numbers of its own and would slip past every rule.
        _load(_ARCHITECTURE_AT),
        _jump(_JUMP_EQUAL, architecture.audit, 1, 0),
        _fail(errno.EPERM),
        _load(_NUMBER_AT),
    ]
    # x32 calls come with the same architecture and other numbers.
    if architecture.has_x32:
        program += [_jump(_JUMP_AT_LEAST, _X32_BIT, 0, 1), _fail(errno.ENOSYS)]
    for rule in rules:
        block = _block(rule)
        program += [_jump(_JUMP_EQUAL, rule.number, 0, len(block)), *block]
    program.append(_return(_ALLOW))
    return b"".join(program)


def _block(rule: Rule) -> list[bytes]:
    """Return the instructions for a call whose number is that of `rule`; they always return."""
    # The kernel takes these arguments as 32-bit values, so only their low half counts.
    match rule:
        case Refused(error=error):
            return [_fail(error)]
        case RefusedWithBits(bits=bits):
            return [_argument(0), _jump(_JUMP_BITS, bits, 0, 1), _fail(errno.EPERM), _return(_ALLOW)]
        case RefusedWithValues(argument=argument, values=values):
            tests = [step for each in values for step in (_jump(_JUMP_EQUAL, each, 0, 1), _fail(errno.EPERM))]
            return [_argument(argument), *tests, _return(_ALLOW)]
        case OnlyWithValues(values=values, error=error, argument=argument):
            tests = [step for each in values for step in (_jump(_JUMP_EQUAL, each, 0, 1), _return(_ALLOW))]
            return [_argument(argument), *tests, _fail(error)]


def _instruction(code: int, if_true: int, if_false: int, operand: int) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, operand)


def _load(offset: int) -> bytes:
    return _instruction(_LOAD, 0, 0, offset)


def _argument(number: int) -> bytes:
    return _load(_ARGUMENTS_AT + 8 * number)  # both architectures are little-endian: the low half comes first


def _jump(code: int, operand: int, if_true: int, if_false: int) -> bytes:
    return _instruction(code, if_true, if_false, operand)


def _return(value: int) -> bytes:
    return _instruction(_RETURN, 0, 0, value)


def _fail(error: int) -> bytes:
    return _return(_ERRNO | error)
