"""macOS by substitution: what its commands print, as we read it; and that nobody else asks the system."""

import os
import re
import shutil
import signal
import stat
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import machine
from machine import ProcessId, linux, macos
from machine.linux import LinuxMachine
from machine.macos import MacMachine
from machine.port import Machine
from tests.machine.darwin import BOOT, KERNEL, make_tools, write_command, write_recorded

PROJECT = Path(__file__).parents[2]
OWN_PACKAGES = (
    "api",
    "backends",
    "bot",
    "bridge",
    "console",
    "faults",
    "machine",
    "scripts",
    "service",
    "sessions",
    "storage",
)

TABLE = """\
    1     0 Ss     3:02.52 Mon Nov 16 08:01:12 2026
  353     1 S      0:11.07 Mon Nov 16 08:01:31 2026
 4711   353 S+   128:44.90 Sat Nov  7 09:12:05 2026
 4712  4711 Z      0:00.00 Sat Nov 21 09:12:06 2026
"""


@pytest.fixture
def mac(tmp_path: Path) -> MacMachine:
    return MacMachine([str(make_tools(tmp_path / "tools"))], KERNEL)


def recorded(tmp_path: Path, name: str, text: str) -> MacMachine:
    write_recorded(tmp_path, name, text)
    return MacMachine([str(tmp_path)], KERNEL)


@pytest.fixture
def sleeper() -> "Iterator[subprocess.Popen[bytes]]":
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


def identity(mac: MacMachine, pid: int) -> ProcessId:
    row = mac.read_process(pid)
    assert row is not None
    return row.process


# --- what is printed ------------------------------------------------------------------------------------


def test_the_table_is_read_by_its_columns_and_without_zombies(tmp_path: Path) -> None:
    table = recorded(tmp_path, "ps", TABLE).read_table()
    assert {pid: (row.process.start, row.parent, row.cpu_s) for pid, row in table.items()} == {
        1: ("Mon_Nov_16_08:01:12_2026", 0, 182.52),
        353: ("Mon_Nov_16_08:01:31_2026", 1, 11.07),
        4711: ("Sat_Nov_7_09:12:05_2026", 353, 7724.9),
    }


def test_a_zombie_is_a_process_that_does_not_live(tmp_path: Path) -> None:
    row = recorded(tmp_path, "ps", TABLE.splitlines()[3]).read_process(4712)
    assert row is not None
    assert row.zombie


@pytest.mark.parametrize("text", ["", "\n", "ps: illegal option\n", "  12 1 S 0:00.01\n"])
def test_no_such_process_is_none(tmp_path: Path, text: str) -> None:
    mac = recorded(tmp_path, "ps", text)
    assert mac.read_process(12) is None
    assert mac.read_table() == {}


@pytest.mark.parametrize(
    ("time", "seconds"),
    [("0:00.01", 0.01), ("12:03.45", 723.45), ("1:02:03", 3723.0), ("2-01:00:00", 176_400.0)],
)
def test_cpu_time_is_minutes_without_end(tmp_path: Path, time: str, seconds: float) -> None:
    row = recorded(tmp_path, "ps", f"9 1 S {time} Mon Nov 16 08:01:12 2026\n").read_process(9)
    assert row is not None
    assert row.cpu_s == pytest.approx(seconds)


def test_who_carries_a_word_is_found_by_arguments_or_environment(tmp_path: Path) -> None:
    write_command(
        tmp_path,
        "ps",
        """#!/bin/sh
case $* in
    *command=*)
        echo '    7 /bin/sh host.sh run KEY=a/1 /data'
        echo '    8 /bin/sh host.sh run KEY=a/12 /data'
        echo '    9 node TEXT=two'
        echo 'lines KEY=a/1 HOME=/Users/demo'
        echo '   10 node XKEY=a/1'
        ;;
    *-p*7,9*)
        echo '    7     1 S 0:00.00 Mon Nov 16 08:01:12 2026'
        echo '    9     1 S 0:00.00 Mon Nov 16 08:01:13 2026'
        ;;
esac
""",
    )
    mac = MacMachine([str(tmp_path)], KERNEL)
    assert {process.pid for process in mac.carrying("KEY", "a/1")} == {7, 9}
    assert mac.values_of("KEY") == {"a/1", "a/12"}


def test_who_writes_to_a_file_is_what_lsof_says_and_lives(tmp_path: Path) -> None:
    write_recorded(tmp_path, "lsof", "p4711\nf1\np4712\nf1\n")
    assert recorded(tmp_path, "ps", TABLE).writing_to(tmp_path / "in") >= {
        ProcessId(4711, "Sat_Nov_7_09:12:05_2026")
    }
    write_recorded(tmp_path, "lsof", "")
    assert recorded(tmp_path, "ps", TABLE).writing_to(tmp_path / "in") == set()


def test_memory_is_what_all_hold_together(tmp_path: Path) -> None:
    mac = recorded(tmp_path, "ps", "  2048\n 10240\n")
    assert mac.memory_bytes([3, 4]) == 12 * 2**20
    assert mac.memory_bytes([]) == 0


def test_free_memory_is_free_inactive_and_speculative_pages(mac: MacMachine, tmp_path: Path) -> None:
    assert mac.free_memory() == 16_384 * (10_000 + 390_000 + 2_000)
    assert recorded(tmp_path, "vm_stat", "Pages free: 3.\n").free_memory() is None


def test_a_run_of_the_machine_has_a_name(mac: MacMachine) -> None:
    assert mac.boot_id() == BOOT


def test_the_commands_are_the_systems_own_whatever_the_path(
    mac: MacMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = Path(mac.start_source()).parent
    assert mac.tail() == (str(tools / "tail"), "")
    monkeypatch.setenv("PATH", "/nowhere")
    assert mac.boot_id() == BOOT
    with pytest.raises(FileNotFoundError):
        MacMachine(["/nowhere"]).boot_id()


@pytest.mark.parametrize("uid", [0, 501, 2**32 - 2])
def test_the_peer_of_a_socket_is_read_from_its_credentials(mac: MacMachine, uid: int) -> None:
    def connection(version: int) -> SimpleNamespace:
        credentials = struct.pack("=IIhxx16I", version, uid, 1, 20, *[0] * 15)
        asked = {(0, 1, 76): credentials}
        return SimpleNamespace(getsockopt=lambda *what: asked[what])

    assert mac.peer_uid(connection(0)) == uid
    with pytest.raises(OSError, match="not known"):
        mac.peer_uid(connection(1))


def test_an_open_file_tells_its_path(mac: MacMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(descriptor: int, command: int, room: bytes) -> bytes:
        assert (descriptor, command, len(room)) == (7, 50, 1024)
        return b"/private/tmp/\xc3\xa4\0\0\0"

    monkeypatch.setattr(macos, "fcntl", SimpleNamespace(fcntl=told))
    assert mac.path_of(7) == Path("/private/tmp/ä")


@pytest.mark.parametrize("kind", ["directory", "link", "file", "missing"])
@pytest.mark.parametrize("system", [machine.this, MacMachine], ids=["this", "macOS"])
def test_only_a_directory_is_opened_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: Callable[[], Machine], kind: str
) -> None:
    # Linux has no way to change a link's own mode; so here only the options are as on macOS.
    change = os.chmod
    monkeypatch.setattr(os, "chmod", lambda name, mode, dir_fd=None, **_: change(name, mode, dir_fd=dir_fd))
    (tmp_path / "outside").mkdir(0o500)
    match kind:
        case "directory":
            (tmp_path / "it").mkdir(0o000)
        case "link":
            (tmp_path / "it").symlink_to("outside")
        case "file":
            (tmp_path / "it").touch(0o400)
    parent = os.open(tmp_path, os.O_RDONLY)
    system().open_up_directory("it", parent)
    os.close(parent)
    modes = {each.name: stat.S_IMODE(each.lstat().st_mode) for each in tmp_path.iterdir()}
    assert modes["outside"] == 0o500
    assert modes.get("it") == {"directory": 0o700, "link": 0o777, "file": 0o400}.get(kind)


# --- on real processes ----------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("ps") is None, reason="there is no ps here")
def test_the_columns_are_those_that_another_ps_knows_too() -> None:
    # The ps of Linux: other code, the same columns of the same standard.
    here = MacMachine([str(Path(str(shutil.which("ps"))).parent)])
    ours, theirs = here.read_process(os.getpid()), LinuxMachine().read_process(os.getpid())
    assert ours is not None
    assert theirs is not None
    assert (ours.parent, ours.session, ours.zombie) == (theirs.parent, theirs.session, False)
    assert re.fullmatch(r"[A-Z]\w\w_[A-Z]\w\w_\d+_\d\d:\d\d:\d\d_\d{4}", ours.process.start)
    assert {os.getpid(), os.getppid()} <= here.read_table().keys()
    assert here.memory_bytes([os.getpid()]) > 2**20


@pytest.mark.skipif(shutil.which("lsof") is None, reason="there is no lsof here")
def test_lsof_takes_the_options(tmp_path: Path, mac: MacMachine) -> None:
    lsof = Path(mac.start_source()).with_name("lsof")
    lsof.unlink()
    lsof.symlink_to(str(shutil.which("lsof")))
    os.mkfifo(tmp_path / "in")
    with (
        (tmp_path / "in").open("r+b", buffering=0) as fifo,
        subprocess.Popen(["sleep", "1000"], stdout=fifo) as writer,
    ):
        assert {process.pid for process in mac.writing_to(tmp_path / "in")} == {writer.pid}
        writer.kill()


def test_a_death_is_told_by_a_descriptor_and_a_signal_meets_its_process_only(
    mac: MacMachine, sleeper: "subprocess.Popen[bytes]"
) -> None:
    process = identity(mac, sleeper.pid)
    stranger = ProcessId(process.pid, "Mon_Nov_16_08:01:12_2026")
    assert mac.open_death_descriptor(stranger) is None
    mac.send_signal(stranger, signal.SIGKILL)
    assert sleeper.poll() is None
    descriptor = mac.open_death_descriptor(process)
    assert descriptor is not None
    mac.send_signal(process, signal.SIGKILL)
    sleeper.wait()
    descriptor.close()
    assert mac.open_death_descriptor(process) is None
    mac.send_signal(process, signal.SIGKILL)


# --- nobody else ----------------------------------------------------------------------------------------


def sources() -> list[Path]:
    return [path for package in OWN_PACKAGES for path in (PROJECT / package).rglob("*.py")]


def test_nobody_else_reads_proc_or_asks_which_system_this_is() -> None:
    asks = re.compile(r"""["'(]/proc\b|sys\.platform|platform\.system|os\.uname|SO_PEERCRED|pidfd""")
    askers = {str(path.relative_to(PROJECT)) for path in sources() if asks.search(path.read_text())}
    # Sandboxes are made on Linux alone; their room does without the port.
    linux_alone = {each for each in askers if each.startswith("backends/sandbox/")}
    assert askers - linux_alone == {"machine/__init__.py", "machine/linux.py"}


def test_the_module_for_linux_knows_what_only_linux_has_and_the_other_does_not() -> None:
    assert "/proc" not in Path(macos.__file__).read_text()
    assert "/proc" in Path(linux.__file__).read_text()
