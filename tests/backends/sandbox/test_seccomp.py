"""The system call filter: refuses what its table says, on both architectures, and lets programs run."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backends.sandbox.seccomp import ARCHITECTURES, Refused, assemble, filter_program
from tests.backends.sandbox.filter_machine import ALLOWED, LOADER, TRIES, verdict

HIGH = 1 << 32
NEWUSER, NEWNS, SIGCHLD = 0x10000000, 0x20000, 17
UNIX, INET, INET6, NETLINK, PACKET, ALG, VSOCK = 1, 2, 10, 16, 17, 38, 40

TABLE: dict[str, list[tuple[tuple[int, ...], int]]] = {
    "keyctl": [((0,), errno.EPERM)],
    "add_key": [((0,), errno.EPERM)],
    "request_key": [((0,), errno.EPERM)],
    "bpf": [((5,), errno.EPERM)],
    "perf_event_open": [((0,), errno.EPERM)],
    "userfaultfd": [((1,), errno.EPERM)],
    "open_by_handle_at": [((3,), errno.EPERM)],
    "process_vm_writev": [((1,), errno.EPERM)],
    "pidfd_getfd": [((3,), errno.EPERM)],
    "ptrace": [
        ((16, 2), errno.EPERM),
        ((0x4206, 2), errno.EPERM),
        ((16 + HIGH, 2), errno.EPERM),
        ((0,), ALLOWED),  # a debugger that starts its program
        ((17, 2), ALLOWED),
    ],
    "io_uring_setup": [((8,), errno.ENOSYS)],
    "io_uring_enter": [((3,), errno.ENOSYS)],
    "io_uring_register": [((3,), errno.ENOSYS)],
    "clone3": [((0,), errno.ENOSYS)],
    "ioctl": [
        ((0, 0x5412), errno.EPERM),
        ((0, 0x541C), errno.EPERM),
        ((0, 0x5412 + HIGH), errno.EPERM),  # the kernel drops the high half
        ((0x5412, 0x5401), ALLOWED),
        ((0, 0x5413), ALLOWED),
    ],
    "clone": [
        ((NEWUSER,), errno.EPERM),
        ((NEWUSER | NEWNS | SIGCHLD,), errno.EPERM),
        ((NEWUSER + HIGH,), errno.EPERM),
        ((SIGCHLD,), ALLOWED),
        ((0x3D0F00,), ALLOWED),  # a thread of glibc
    ],
    "unshare": [((NEWUSER,), errno.EPERM), ((0x400,), ALLOWED)],
    "socket": [
        ((VSOCK, 1), errno.EAFNOSUPPORT),
        ((ALG, 5), errno.EAFNOSUPPORT),
        ((PACKET, 3), errno.EAFNOSUPPORT),
        ((INET, 1), ALLOWED),
        ((INET6, 2), ALLOWED),
        ((NETLINK, 3), ALLOWED),
        ((VSOCK + HIGH, 1), errno.EAFNOSUPPORT),
    ],
}

OF_OTHERS = {
    "prlimit64": 0,
    "sched_setscheduler": 0,
    "sched_setparam": 0,
    "sched_setattr": 0,
    "setpriority": 1,
    "ioprio_set": 1,
}
"""Calls that change another process, each with the argument that names it."""
OF_MACHINE = {
    *("shmget", "shmat", "shmctl", "semget", "semop", "semtimedop", "semctl"),
    *("msgget", "msgsnd", "msgrcv", "msgctl"),
}
"""Calls that reach objects of the machine, which programs of one user share."""
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_the_numbers_are_those_of_the_kernels_headers(machine: str) -> None:
    if not HEADERS[machine].exists():
        pytest.skip("the headers are not installed")
    text = HEADERS[machine].read_text()
    found = dict(re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)$", text, re.MULTILINE))
    numbers = ARCHITECTURES[machine].numbers
    assert {name: int(found[name]) for name in numbers} == dict(numbers)


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize("shares_processes", [False, True])
def test_each_call_is_decided_as_the_table_says(machine: str, shares_processes: bool) -> None:
    architecture = ARCHITECTURES[machine]
    program = filter_program(machine, shares_processes=shares_processes)
    assert program is not None
    assert set(architecture.numbers) == TABLE.keys() | OF_OTHERS.keys() | OF_MACHINE

    def decided(number: int, *arguments: int) -> int:
        return verdict(program, architecture.audit, number, *arguments)

    for name, cases in TABLE.items():
        for arguments, expected in cases:
            assert decided(architecture.numbers[name], *arguments) == expected, (name, arguments)
    unix = errno.EAFNOSUPPORT if shares_processes else ALLOWED
    assert decided(architecture.numbers["socket"], UNIX, 1) == unix
    for name, at in OF_OTHERS.items():
        for process, expected in ((0, ALLOWED), (7, errno.EPERM if shares_processes else ALLOWED)):
            arguments = (3, process) if at else (process, 3)
            assert decided(architecture.numbers[name], *arguments) == expected, name
    for name in OF_MACHINE:
        assert decided(architecture.numbers[name]) == (errno.ENOSYS if shares_processes else ALLOWED), name
    named = set(architecture.numbers.values())
    assert {decided(number, NEWUSER, 0x5412) for number in range(600) if number not in named} == {ALLOWED}
    for other in ARCHITECTURES.values():
        if other is not architecture:
            assert {verdict(program, other.audit, number) for number in range(600)} == {errno.EPERM}
    x32 = {decided(number | 0x40000000) for number in range(600)}
    assert x32 == ({errno.ENOSYS} if architecture.has_x32 else {ALLOWED})


def test_a_machine_without_a_table_has_no_filter() -> None:
    for machine in ("riscv64", "i686", "arm64", "", "X86_64"):
        assert filter_program(machine, shares_processes=False) is None


# --- the kernel says the same ---------------------------------------------------------------------------

THIS = ARCHITECTURES.get(os.uname().machine)
pytestmark = pytest.mark.skipif(THIS is None or sys.platform != "linux", reason="no table for this machine")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filter") / "filter.bpf"
    path.write_bytes(filter_program(os.uname().machine, shares_processes=True) or b"")
    return path


def harmless_calls() -> list[tuple[str, list[int], int]]:
    """A call of each kind that fails without the filter, too, but with another error."""
    return [
        ("keyctl", [0xFFFF], errno.EPERM),
        ("add_key", [0, 0, 0, 0, 0], errno.EPERM),
        ("request_key", [0, 0, 0, 0], errno.EPERM),
        ("bpf", [999, 0, 0], errno.EPERM),
        ("perf_event_open", [0, 0, -1, -1, 0], errno.EPERM),
        ("userfaultfd", [0xFFFFFFF], errno.EPERM),
        ("io_uring_enter", [-1, 0, 0, 0, 0, 0], errno.ENOSYS),
        ("io_uring_register", [-1, 0, 0, 0], errno.ENOSYS),
        ("clone3", [0, 0], errno.ENOSYS),
        ("shmat", [-1, 0, 0], errno.ENOSYS),
        ("msgrcv", [-1, 0, 0, 0, 0], errno.ENOSYS),
        ("ioctl", [-1, 0x5412, 0], errno.EPERM),
        ("ioctl", [-1, 0x541C + HIGH, 0], errno.EPERM),
        ("clone", [NEWUSER | 0x200, 0, 0, 0, 0], errno.EPERM),  # with shared directories: EINVAL
        ("unshare", [NEWUSER | 1], errno.EPERM),
        ("socket", [UNIX, 99, 0], errno.EAFNOSUPPORT),
        ("socket", [VSOCK, 99, 0], errno.EAFNOSUPPORT),
        ("socket", [INET, 1, 0], 0),
        ("ioctl", [-1, 0x5413, 0], errno.EBADF),
    ]


def errors(words: list[str], *arguments: str) -> list[int]:
    assert THIS is not None
    calls = [[THIS.numbers[name], *given] for name, given, _ in harmless_calls()]
    done = subprocess.run(
        [*words, sys.executable, "-I", "-c", TRIES, json.dumps(calls), *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return list(json.loads(done.stdout))


def test_the_kernel_loads_it_and_refuses_the_same(file: Path) -> None:
    expected = [error for *_, error in harmless_calls()]
    assert errors([], str(file)) == expected
    without = errors([])
    same = [call[0] for call, error in zip(harmless_calls(), without, strict=True) if call[2] == error]
    assert set(same) <= {"socket", "ioctl", "perf_event_open"}, "these were refused before"
    assert same.count("ioctl") == 1


@pytest.mark.skipif(not shutil.which("bwrap"), reason="needs bubblewrap")
def test_bubblewrap_takes_it(file: Path) -> None:
    words = [
        "sh",
        "-c",
        'f=$1; shift; exec bwrap --bind / / --dev-bind /dev /dev --seccomp 9 "$@" 9<"$f"',
        "sh",
        str(file),
    ]
    assert errors(words) == [error for *_, error in harmless_calls()]


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="32-bit calls of x86 processors")
def test_a_call_in_the_way_of_a_32_bit_program_is_refused(file: Path) -> None:
    script = (
        LOADER
        + """
import mmap, pathlib
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes.fromhex("b814000000cd80c3"))  # getpid by `int 0x80`
run = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
before = run()
load(pathlib.Path(sys.argv[1]).read_bytes())
print(before > 0, run())
"""
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script, str(file)], capture_output=True, text=True, check=False
    )
    if done.returncode == -11:
        pytest.skip("this kernel runs no 32-bit programs")
    assert done.stdout.split() == ["True", str(-errno.EPERM)]


@pytest.mark.parametrize(
    "program", ['node -e \'require("child_process").execSync("true")\'', "git version", "sh -c 'true | true'"]
)
def test_programs_run_under_it(file: Path, program: str) -> None:
    if not shutil.which(program.split(maxsplit=1)[0]):
        pytest.skip("not on this machine")
    script = f"""{LOADER}
import os, pathlib
load(pathlib.Path(sys.argv[1]).read_bytes())
os.execvp("sh", ["sh", "-c", sys.argv[2]])
"""
    subprocess.run([sys.executable, "-I", "-c", script, str(file), program], check=True, timeout=60)


def test_another_program_can_be_assembled_for_a_machine_without_a_mechanism() -> None:
    assert THIS is not None
    program = assemble(THIS, [Refused(444, errno.ENOSYS)])
    assert (verdict(program, THIS.audit, 444), verdict(program, THIS.audit, 443)) == (errno.ENOSYS, ALLOWED)
