"""Memory of the bot, its hosts and Claude's processes, at 1, 10 and 50 sessions.

The real CLI takes some 200 MB each, so fifty of them are played by a script of some lines.
"""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from api import CreateSession, SendMessage
from api.access import unchanging
from backends.auto import BackendOptions, choose_backend
from backends.directory import host_directories
from bridge.control_client import ControlClient, connected
from bridge.control_socket import local_actor
from bridge.demo.model import DemoModel
from sessions.events import Numbered, TurnEnded, TurnStarted
from sessions.recovery import end_survivors
from tests.bench.figures import Figure
from tests.bench.processes import descendants, pss_mb
from tests.bench.whole_bot import whole_bot
from tests.fakes.cli_home import make_cli_home
from tests.fakes.discord_server import FakeDiscord

SYNTHETIC_CLI = Path(__file__).with_name("synthetic_cli.sh")
REAL, SCRIPTED = (1, 10), 50
_ADMIN = local_actor()
_DEADLINE_S = 120


@dataclass(frozen=True, slots=True)
class Memory:
    """Proportional shares in MB; of hosts and CLIs the mean of one."""

    bot: float
    host: float
    cli: float


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    """With the real CLI and with a scripted one. Takes some 40 s, short some 15 s."""
    found: list[tuple[str, Memory]] = []
    async with DemoModel() as demo:
        for count in REAL[:1] if short else REAL:
            home = make_cli_home(directory / f"home-{count}", demo.base_url)
            settings = {**home.environment, "CLAUDE_COMMAND": str(home.binary), "CHILD_ENV": "default"}
            found.append(
                (f"{count} × CLI", await of_sessions(directory / f"real-{count}", settings, count, TurnEnded))
            )
    scripted = await of_sessions(
        directory / "scripted", {"CLAUDE_COMMAND": str(SYNTHETIC_CLI)}, SCRIPTED, TurnStarted
    )
    floor, name = found[0][1].bot, found[0][0]
    bots = [Figure(f"memory of the bot, {who} (PSS)", each.bot, "MB") for who, each in found]
    found.append((f"{SCRIPTED} × script", scripted))
    return [
        *bots,
        Figure(f"memory of the bot, {SCRIPTED} × script (PSS)", scripted.bot, "MB", floor, name, at_most=1.3),
        *(Figure(f"memory of a host, {who} (PSS)", each.host, "MB", at_most=5) for who, each in found),
        *(Figure(f"memory of a Claude, {who} (PSS)", each.cli, "MB") for who, each in found),
    ]


async def of_sessions(
    root: Path, settings: Mapping[str, str], count: int, until: type[TurnStarted | TurnEnded]
) -> Memory:
    """Memory once `count` sessions have a live process that has come to `until` with its first turn."""
    root.mkdir(parents=True)
    (root / "workspaces").mkdir()
    data = root / "data"
    try:
        async with FakeDiscord() as fake, whole_bot(data, fake, settings) as pid, connected(data) as core:
            await asyncio.gather(*(begin(core, number, until) for number in range(count)))
            hosts = [each.pids() for each in host_directories(data / "run")]
            known = [each for each in hosts if each is not None]
            assert len(known) == count
            return Memory(
                bot=pss_mb([pid]),
                host=mean(pss_mb([each.shell.pid, each.follower.pid]) for each in known),
                cli=mean(pss_mb(descendants(each.program.pid)) for each in known),
            )
    finally:
        await end_hosts(data / "run")


async def begin(core: ControlClient, number: int, until: type[TurnStarted | TurnEnded]) -> None:
    """A session whose Claude has been given a prompt and is as far with it as `until` says."""
    info = await core.perform(_ADMIN, CreateSession(channel_id=f"bench:{number}"))
    prompt = SendMessage(session_id=info.id, content="demo:text a short answer", origin=f"bench {info.id}")
    await core.perform(_ADMIN, prompt)
    async with asyncio.timeout(_DEADLINE_S), aclosing(core.follow(unchanging(_ADMIN), info.id, 0)) as feed:
        async for item in feed:
            if isinstance(item, Numbered) and isinstance(item.event, until):
                return


async def end_hosts(run: Path) -> None:
    """End every host below `run`."""
    options = BackendOptions(run=run, socket_name="not-used", watch=("cat",), environment={})
    backend = choose_backend("pty", options, on_fallback=print)
    await end_survivors(backend)
    await backend.close()
