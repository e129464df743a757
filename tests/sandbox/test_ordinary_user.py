"""The sandbox of a user without rights: as root's, and with a limit of processes, which root has not."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.sandbox import bwrap
from backends.sandbox.model import Access, Limits, Mechanism, Own, Policy
from backends.sandbox.probe import find_bwrap, limit_counts_inside
from backends.sandbox.seccomp import filter_program
from backends.sandbox.system import this_system

NOBODY = 65534
TABLE = Path(__file__).with_name("test_escapes.py")
# In mounts of its own: root's home is closed to others, and Python may lie there.
AS_NOBODY = """
set -e
mount --make-rprivate /
mkdir "$HOME/python"
mount --bind "$1" "$HOME/python"
mount -t tmpfs -o mode=755 none /root
mkdir -p "$1"
mount --bind "$HOME/python" "$1"
shift
exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
"""
FORKS = "i=0; while [ $i -lt 60 ]; do sleep 4 & i=$((i+1)); done; echo made $i"


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of the ordinary user that it can reach."""
    made = Path(tempfile.mkdtemp(prefix="sandbox-"))
    yield made
    shutil.rmtree(made)


def inside(place: Path, script: str) -> subprocess.CompletedProcess[str]:
    work, home, filtering = place / "work", place / "home", place / "filter"
    for directory in (work, home):
        directory.mkdir(exist_ok=True)
    filtering.write_bytes(filter_program(os.uname().machine, shares_processes=False) or b"")
    policy = Policy(
        mechanism=Mechanism.BWRAP,
        program=find_bwrap(),
        system=this_system(),
        limits=Limits(processes=40, tmp_bytes=1 << 20),
        seccomp_filter=filtering,
    )
    access = Access(write=(work,), own=(Own(Path("/home/somebody"), home),))
    words = bwrap.command(policy, access, work, info=False)
    environment = {"PATH": os.defpath, "HOME": "/home/somebody"}
    ordinary: dict[str, Any] = {}
    if os.geteuid() == 0:
        ordinary = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    if ordinary:
        for path in (place, work, home, filtering):
            os.chown(path, NOBODY, NOBODY)
    return subprocess.run(
        [*words, "sh", "-c", script], env=environment, capture_output=True, text=True, check=False, **ordinary
    )


@pytest.mark.parametrize(
    ("script", "printed"),
    [
        ("id -u; echo kept > file; cat file", f"{NOBODY if os.geteuid() == 0 else os.getuid()}\nkept\n"),
        ("echo cached > ~/file; cat ~/file", "cached\n"),
        ("mount -t tmpfs none /tmp 2>/dev/null || echo refused", "refused\n"),
        ("unshare -U true 2>/dev/null || echo refused", "refused\n"),
        ("head -c 2000000 /dev/zero > /tmp/x 2>/dev/null || echo refused", "refused\n"),
        ("echo x > /usr/x 2>/dev/null || echo refused", "refused\n"),
        ("ls /proc | grep -c '^[0-9]' | awk '{print ($1 < 9) ? \"few\" : \"all\"}'", "few\n"),
        ("grep NoNewPrivs /proc/self/status | cut -f2", "1\n"),
    ],
)
def test_it_can_do_its_work_and_no_more(place: Path, script: str, printed: str) -> None:
    done = inside(place, script)
    assert (done.stdout, done.returncode) == (printed, 0), done.stderr


@pytest.mark.skipif(not limit_counts_inside(), reason="this kernel counts all processes of a user")
def test_the_limit_of_processes_holds(place: Path) -> None:
    done = inside(place, FORKS)
    assert "made 60" not in done.stdout
    assert "fork" in done.stderr.lower()


@pytest.mark.real_cli
@pytest.mark.skipif(os.geteuid() != 0, reason="the table itself runs as an ordinary user")
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("columns", "count"),
    [
        # Of bubblewrap the strictest column; root runs the other in the gate.
        pytest.param("landlock or model", 2, id="gate"),
        pytest.param("table", 4, id="soak", marks=pytest.mark.soak),
    ],
)
async def test_the_table_of_escapes_holds_for_an_ordinary_user(place: Path, columns: str, count: int) -> None:
    missing = [each for each in ("unshare", "setpriv") if shutil.which(each) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    os.chown(place, NOBODY, NOBODY)
    words = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "real_cli")
    short = ("--basetemp", str(place / "t"))  # a socket's path has at most 107 bytes
    chosen = ("-k", columns, str(TABLE))
    tests = await asyncio.create_subprocess_exec(
        *("unshare", "-m", "sh", "-c", AS_NOBODY, "sh", sys.base_prefix, *words, *short, *chosen),
        env={"PATH": os.environ["PATH"], "HOME": str(place), "TMPDIR": str(place)},
        cwd=TABLE.parents[2],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await tests.communicate()
    assert tests.returncode == 0, said.decode()
    assert b"%d passed" % count in said
