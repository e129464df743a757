"""Tries from inside of a Landlock sandbox; prints a word for each as JSON: `done`, or the error's name.

Arguments: a granted directory, a forbidden one, the pid of a process outside, a name in the abstract namespace,
the number of a piece of shared memory.
"""

import ctypes
import errno
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

granted, forbidden, outside, abstract = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]


def tried(act: Callable[[], object]) -> str:
    try:
        act()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "?")
    except subprocess.CalledProcessError as error:
        return f"exit {error.returncode}"
    return "done"


def connect(address: str) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as made:
        made.connect(address)


def through_link() -> None:
    link = granted / "link"
    link.symlink_to(forbidden / "secret")
    link.read_text()


def rename_across() -> None:
    (granted / "a").mkdir()
    (granted / "b").mkdir()
    (granted / "a" / "file").write_text("x")
    (granted / "a" / "file").rename(granted / "b" / "file")


def own_pair() -> None:
    for each in socket.socketpair():
        each.close()


def shell(script: str) -> None:
    subprocess.run(["sh", "-c", script], check=True)


def found(is_there: object) -> None:
    if not is_there:
        raise FileNotFoundError(errno.ENOENT, "")


def shared_memory_of_others(number: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    if libc.shmat(number, None, 0o10000) == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "")


TRIES: dict[str, Callable[[], object]] = {
    "read inside": (granted / "given").read_text,
    "write inside": lambda: (granted / "new").write_text("x"),
    "delete inside": (granted / "new").unlink,
    "rename across inside": rename_across,
    "fifo inside": lambda: os.mkfifo(granted / "fifo"),
    "device inside": lambda: os.mknod(granted / "device", 0o600 | 0o020000, os.makedev(1, 3)),
    "read outside": (forbidden / "secret").read_text,
    "list outside": lambda: list(forbidden.iterdir()),
    "write outside": lambda: (forbidden / "new").write_text("x"),
    "append outside": lambda: (forbidden / "secret").open("a").close(),
    "truncate outside": lambda: os.truncate(forbidden / "secret", 0),
    "delete outside": (forbidden / "secret").unlink,
    "link from outside": lambda: os.link(forbidden / "secret", granted / "hard"),
    "rename from outside": lambda: (forbidden / "secret").rename(granted / "moved"),
    "rename to outside": lambda: (granted / "given").rename(forbidden / "moved"),
    "read through a link": through_link,
    "run outside": lambda: subprocess.run([forbidden / "tool"], check=True),
    "home": lambda: list(Path("/root").iterdir()),
    "temporary files of others": lambda: list(Path("/tmp").iterdir()),
    "own temporary files": lambda: Path(os.environ["TMPDIR"], "x").write_text("x"),
    "socket of a path": lambda: connect(str(forbidden / "socket")),
    "abstract socket": lambda: connect("\0" + abstract),
    "pair of sockets": own_pair,
    "signal outside": lambda: os.kill(outside, 0),
    "limits outside": lambda: resource.prlimit(outside, resource.RLIMIT_CPU),
    "speed outside": lambda: os.sched_setscheduler(outside, os.SCHED_BATCH, os.sched_param(0)),
    "own limits": lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
    "own speed": lambda: os.nice(1),
    "environment of others": lambda: found(Path(f"/proc/{outside}/environ").read_bytes()),
    "memory of others": lambda: os.open(f"/proc/{outside}/mem", os.O_RDWR),
    "shared memory of others": lambda: shared_memory_of_others(int(sys.argv[5])),
    "directory of others": lambda: list(Path(f"/proc/{outside}/cwd/").iterdir()),
    "own process": Path("/proc/self/status").read_text,
    "terminals of others": lambda: list(Path("/dev/pts").iterdir()),
    "null": lambda: Path("/dev/null").write_text("x"),
    "disk": lambda: os.open("/dev/vda", os.O_RDONLY),
    "system": Path("/etc/passwd").read_text,
    "write system": lambda: Path("/etc/passwd").open("a").close(),
    "git": lambda: shell(
        f"cd {granted} && git init -q r && cd r && echo x >x && git add x"
        " && git -c user.name=a -c user.email=a@b commit -qm x && git gc -q"
    ),
    "child of node": lambda: shell(
        'command -v node >/dev/null || exit 0; node -e \'require("child_process").execSync("cat /etc/passwd")\''
    ),
    "restrictions in the environment": lambda: found("CLAUDE_BRIDGE_LANDLOCK" in os.environ),
    "capabilities": lambda: found("CapEff:\t0000000000000000" not in Path("/proc/self/status").read_text()),
}

if __name__ == "__main__":
    print(json.dumps({name: tried(act) for name, act in TRIES.items()}))
