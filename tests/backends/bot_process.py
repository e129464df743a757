"""A stand-in for the bridge's process: launches or feeds one host, says so, and waits to be killed.

python -m tests.backends.bot_process RUN SOCKET launch BACKEND SESSION CWD
python -m tests.backends.bot_process RUN SOCKET send BACKEND ADDRESS START TEXT
"""

import asyncio
import os
import sys
from pathlib import Path

from backends.base import HostRef, InputLine, LaunchSpec
from backends.local import LocalBackend
from backends.pty import PtyBackend
from backends.tmux import TmuxBackend
from tests.machine.darwin import follow_parent


async def main(run: Path, socket_name: str, action: str, name: str, *rest: str) -> None:
    backend: LocalBackend = TmuxBackend(run, socket_name=socket_name) if name == "tmux" else PtyBackend(run)
    if action == "launch":
        session, cwd = rest
        environment = {"PATH": os.environ["PATH"]}
        spec = LaunchSpec(session, 1, run / session / "1", ("cat",), Path(cwd), environment)
        host = await backend.launch(spec)
        print(host.ref.address, flush=True)
    else:
        address, start, text = rest
        host = await backend.attach(HostRef(name, address))
        await host.send(InputLine(int(start), text.encode() + b"\n"))
        print("sent", flush=True)
    await asyncio.get_running_loop().create_future()


def run(directory: str, *arguments: str) -> None:
    """For the nursery, and below for a terminal of its own."""
    follow_parent()
    asyncio.run(main(Path(directory), *arguments))


if __name__ == "__main__":
    run(*sys.argv[1:])
