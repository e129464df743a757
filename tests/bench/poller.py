"""The way of many bots: ask tmux for every pane's screen twice a second.

`python -m tests.bench.poller SOCKET SECONDS` polls all sessions of that tmux server, and says in JSON what it
used (`cpu_s`, its tmux clients included) and how old each line with a stamp was when it was first seen (`ms`).
"""

import asyncio
import json
import re
import resource
import sys
import time

_EVERY_S = 0.5
_STAMP = re.compile(r"<(\d{10,})>")


async def tmux(socket_name: str, *words: str) -> str:
    """Run a tmux client, and return its output."""
    client = await asyncio.create_subprocess_exec(
        "tmux", "-L", socket_name, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    said, _ = await client.communicate()
    return said.decode()


async def poll(socket_name: str, session: str, until: float, ms: list[float]) -> None:
    newest = 0
    while time.monotonic() < until:
        screen = await tmux(socket_name, "capture-pane", "-p", "-t", session)
        now = time.monotonic_ns()
        stamps = [stamp for stamp in map(int, _STAMP.findall(screen)) if stamp > newest]
        ms += [(now - stamp) / 1e6 for stamp in stamps]
        newest = max([newest, *stamps])
        await asyncio.sleep(_EVERY_S)


async def main(socket_name: str, seconds: float) -> None:
    sessions = (await tmux(socket_name, "list-sessions", "-F", "#{session_name}")).split()
    ms: list[float] = []
    until = time.monotonic() + seconds
    await asyncio.gather(*(poll(socket_name, session, until, ms) for session in sessions))
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({"cpu_s": sum(each.ru_utime + each.ru_stime for each in used), "ms": ms}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
