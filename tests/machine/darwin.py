"""A stand-in for macOS on Linux: its commands, its kqueue, and a PATH without what it does not have.

The commands print as macOS' do and refuse what macOS' refuse; like macOS 11 and newer, `ps -E` shows nobody's
environment. Nobody has run this on a Mac: the formats are those of its manual pages.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

import machine
from machine.macos import MacMachine

BOOT = "E54C9B8A-2B9F-4C52-9A7E-6A1B0B0D5C11"
VARIABLE = "BRIDGE_TEST_MAC_TOOLS"
_REPOSITORY = str(Path(__file__).parents[2])

VM_STAT = """\
Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                               10000.
Pages active:                            400000.
Pages inactive:                          390000.
Pages speculative:                         2000.
Pages throttled:                              0.
Pages wired down:                        150000.
Pages purgeable:                           7000.
"Translation faults":                 987654321.
Pages copy-on-write:                   12345678.
File-backed pages:                       210000.
Anonymous pages:                         580000.
Pages occupied by compressor:            120000.
Swapins:                                      0.
Swapouts:                                     0.
"""

_HEAD = f"#!{sys.executable} -IS\n"

_PS = (
    _HEAD
    + r"""
import getopt, os, sys, time

# Tests call it hundreds of times: it reads each file once.
tick = os.sysconf("SC_CLK_TCK")
with open("/proc/stat") as file:
    boot = next(int(line.split()[1]) for line in file if line.startswith("btime"))

def read(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""

def shown(pid, stat, column):
    if not stat:
        return None
    if column == "pid":
        return f"{pid:5}"
    if column == "ppid":
        return f"{int(stat[1]):5}"
    if column == "stat":
        return f"{stat[0].decode():4}"
    if column == "time":
        seconds = (int(stat[11]) + int(stat[12])) / tick
        return f"{int(seconds // 60):3}:{seconds % 60:05.2f}"
    if column == "lstart":
        return time.strftime("%a %b %e %H:%M:%S %Y", time.localtime(boot + int(stat[19]) // tick))
    if column == "rss":
        return f"{int(read(pid, 'statm').split()[1]) * os.sysconf('SC_PAGE_SIZE') // 1024:6}"
    assert column == "command", column
    return read(pid, "cmdline").replace(b"\0", b" ").decode("utf-8", "replace").strip()

options, rest = getopt.getopt(sys.argv[1:], "axEwo:p:")
assert not rest, rest
given = dict(options)
columns = given["-o"].split(",")
assert all(column.endswith("=") for column in columns), columns
pids = [int(pid) for pid in given["-p"].split(",")] if "-p" in given else []
if not pids:
    assert "-a" in given and "-x" in given, "ps of macOS shows only what is on this terminal"
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
count = 0
for pid in pids:
    stat = read(pid, "stat").rpartition(b") ")[2].split()
    cells = [shown(pid, stat, column[:-1]) for column in columns]
    if None not in cells:
        print(*cells)
        count += 1
sys.exit(0 if count else 1)
"""
)

_LSOF = (
    _HEAD
    + r"""
import os, sys
*options, path = sys.argv[1:]
assert options == ["-nPw", "-a", "-d", "1", "-Fp", "--"], options
found = False
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        if os.readlink(f"/proc/{pid}/fd/1") == path:
            print(f"p{pid}\nf1")
            found = True
    except OSError:
        pass
sys.exit(0 if found else 1)
"""
)

_TAIL = """#!/bin/sh
for option; do
    case $option in
        -s | -s* | --*) echo "tail: illegal option -- ${option#-}" >&2; exit 1 ;;
    esac
done
exec /usr/bin/tail "$@"
"""

_SYSCTL = f"#!/bin/sh\n[ \"$*\" = '-n kern.bootsessionuuid' ] && echo {BOOT}\n"
_ABSENT = frozenset({"setsid", "ps", "lsof", "tail", "sysctl", "vm_stat", "free", "pidof", "flock"})


@dataclass
class KernelEvent:
    ident: int
    filter: int
    flags: int
    fflags: int


class KernelQueue:
    """A kqueue that knows one filter: the end of a process. Below it is a pidfd."""

    def __init__(self) -> None:
        self._descriptor = -1

    def control(self, changes: list[KernelEvent], max_events: int) -> list[object]:
        (change,) = changes
        assert (change.filter, change.flags, change.fflags, max_events) == (-5, 0x1 | 0x10, 0x80000000, 0)
        self._descriptor = os.pidfd_open(change.ident)
        return []

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


KERNEL = SimpleNamespace(
    kqueue=KernelQueue, kevent=KernelEvent,
    KQ_FILTER_PROC=-5, KQ_EV_ADD=0x1, KQ_EV_ONESHOT=0x10, KQ_NOTE_EXIT=0x80000000,
)  # fmt: skip


def write_command(directory: Path, name: str, script: str) -> None:
    path = directory / name
    path.write_text(script)
    path.chmod(0o755)


def write_recorded(directory: Path, name: str, text: str) -> None:
    """A command that prints `text`, whatever it is asked."""
    (directory / f"{name}.txt").write_text(text)
    write_command(directory, name, f"#!/bin/sh\nexec /bin/cat '{directory}/{name}.txt'\n")


def make_tools(directory: Path) -> Path:
    """The commands of macOS in `directory`, which is made."""
    directory.mkdir()
    for name, script in {"ps": _PS, "lsof": _LSOF, "tail": _TAIL, "sysctl": _SYSCTL}.items():
        write_command(directory, name, script)
    write_recorded(directory, "vm_stat", VM_STAT)
    return directory


def make_path(directory: Path, tools: Path) -> str:
    """A PATH of one directory: this machine's commands without those that macOS lacks, and `tools`."""
    directory.mkdir()
    for place in map(Path, os.environ["PATH"].split(os.pathsep)):
        for command in place.iterdir() if place.is_dir() else ():
            if command.name not in _ABSENT and not (directory / command.name).is_symlink():
                (directory / command.name).symlink_to(command)
    for command in tools.iterdir():
        (directory / command.name).symlink_to(command)
    return str(directory)


def become_mac(tools: Path, patch: pytest.MonkeyPatch) -> None:
    """Make `machine.this()` a Mac, here and in what is started with `follow_parent`."""
    mac = MacMachine([str(tools)], KERNEL)
    patch.setattr(machine, "this", lambda: mac)
    patch.setenv(VARIABLE, str(tools))


@contextmanager
def without_proc() -> Iterator[None]:
    """Inside the block, whoever of ours but a test reads below `/proc` fails."""
    _refuse_proc()
    _state.refusing = True
    try:
        yield
    finally:
        _state.refusing = False


@dataclass
class _State:
    refusing: bool = False


_state = _State()


@cache
def _refuse_proc() -> None:
    """Hear of every file that this process opens; there is no taking this back."""

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if not _state.refusing or event not in {"open", "os.listdir", "os.scandir"}:
            return
        path = arguments[0]
        if not isinstance(path, str | bytes | os.PathLike) or not os.fsdecode(path).startswith("/proc"):
            return
        frame = sys._getframe(1)
        while not frame.f_code.co_filename.startswith(f"{_REPOSITORY}/") and frame.f_back:
            frame = frame.f_back
        asker = frame.f_code.co_filename
        assert asker.startswith((f"{_REPOSITORY}/tests/", f"{_REPOSITORY}/.venv/")), f"{asker} reads {path!r}"

    sys.addaudithook(hear)


def follow_parent() -> None:
    """In a process of a test: be the machine that the test is on."""
    if tools := os.environ.get(VARIABLE):
        become_mac(Path(tools), pytest.MonkeyPatch())
