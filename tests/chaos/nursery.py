"""A process that has imported the bridge once and forks a new one in milliseconds, so that kills are cheap.

    python -m tests.chaos.nursery

reads one JSON object a line: {"environment": {…}, "keep": path, "log": path}. It answers {"pid": n}, and
{"ended": n, "status": code} once that one is dead (negative: a signal). Ends when its stdin ends.
"""

import asyncio
import importlib
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any


def main() -> None:
    """Serve until stdin ends. Stays without threads: a fork takes only the one that calls it."""
    # What a start costs is these imports.
    for name in (
        "tests.chaos.bot_process",
        "bridge.wiring",
        "bridge.discord_face",
        "bot.cogs",
        "tests.chaos.haste",
    ):
        importlib.import_module(name)
    read, write = os.pipe()
    os.set_blocking(write, False)
    os.set_blocking(read, False)
    signal.set_wakeup_fd(write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    import select

    buffer = b""
    while True:
        ready, _, _ = select.select([0, read], [], [])
        if read in ready:
            with suppress(BlockingIOError):
                os.read(read, 512)
            _bury()
        if 0 in ready:
            data = os.read(0, 1 << 16)
            if not data:
                return
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                _start(json.loads(line))


def _start(wish: dict[str, Any]) -> None:
    pid = os.fork()
    if pid:
        _say({"pid": pid})
        return
    code = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(wish["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.closerange(3, 256)
        os.environ.clear()
        os.environ.update(wish["environment"])
        os.chdir(wish["cwd"])
        if wish["exec"]:
            root = Path(__file__).parents[2]
            os.environ["PYTHONPATH"] = str(root)
            os.execv(sys.executable, [sys.executable, "-m", "tests.chaos.bot_process", wish["keep"]])
        from tests.chaos.bot_process import run

        code = run(Path(wish["keep"]))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _bury() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _say({"ended": pid, "status": os.waitstatus_to_exitcode(status)})


def _say(answer: dict[str, int]) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


class Nursery:
    """The harness's side: starts bots and knows when they have ended."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._pids: asyncio.Queue[int] = asyncio.Queue()
        self._ends: dict[int, asyncio.Future[int]] = {}

    async def open(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.chaos.nursery"),
            cwd=Path(__file__).parents[2],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._reading = asyncio.create_task(self._read(), name="nursery")

    async def close(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._reading is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reading

    async def start(self, **wish: Any) -> int:
        """Fork a bot; return its pid. Fails if the nursery itself has died, as by an error in an import."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._reading is not None
        self._process.stdin.write(json.dumps(wish).encode() + b"\n")
        pid = asyncio.ensure_future(self._pids.get())
        await asyncio.wait({pid, self._reading}, return_when=asyncio.FIRST_COMPLETED)
        assert pid.done(), "the nursery has ended; its stderr says why"
        return pid.result()

    def end_of(self, pid: int) -> asyncio.Future[int]:
        """The exit code of a bot, once it is dead and buried."""
        return self._ends[pid]

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            answer = json.loads(line)
            if "pid" in answer:
                self._ends[answer["pid"]] = asyncio.get_running_loop().create_future()
                self._pids.put_nowait(answer["pid"])
            else:
                self._ends[answer["ended"]].set_result(answer["status"])


if __name__ == "__main__":
    main()
