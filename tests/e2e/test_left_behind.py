"""Traces of a run of the Discord bot: planted words, and the places where they must not be."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.e2e.discord_house import Bot, bot_in, button
from tests.e2e.house import REPOSITORY, House, free_port, until
from tests.e2e.left_behind import Planted, files_with, lines_with, open_to_others, processes_with
from tests.fakes.discord_server import FakeDiscord, Place
from tests.fakes.discord_server.fixtures import fake_discord
from tests.fakes.discord_server.site import Settings

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(300)]


@pytest.fixture
def words() -> Planted:
    return Planted()


@pytest.fixture
async def bot(house: House, words: Planted) -> AsyncIterator[Bot]:
    house.environment |= {"LOG_LEVEL": "DEBUG", "ANTHROPIC_API_KEY": words.key, "BACKEND": "tmux"}
    async with fake_discord(FakeDiscord(Settings(token=words.token))) as fake, bot_in(house, fake) as bot:
        yield bot


async def talk(bot: Bot, words: Planted) -> Place:
    """A turn with a file that is written and read, an error, people who may not, and a death of the bot."""
    (bot.house.project / "shown.txt").parent.mkdir(parents=True, exist_ok=True)
    (bot.house.project / "shown.txt").write_text(words.output)
    thread = await bot.claude(
        f"{words.prompt} demo:write {words.name}.txt {words.content}\ndemo:bash cat shown.txt\ndemo:text Shown"
    )
    await bot.ann.click(await thread.wait_for_message(button("Allow once")), "Allow once")
    await bot.answered(thread, "Shown")
    await bot.mel.slash(bot.fake.general, "claude", prompt=words.prompt).settled()
    await bot.ann.slash(thread, "files get", path=f"../{words.name}").settled()
    bot.ann.send(thread, f"{words.prompt} demo:error 400")
    await bot.kill()
    return thread


async def test_a_run_leaves_its_words_only_where_they_belong(bot: Bot, words: Planted) -> None:
    house, port, figures = bot.house, free_port(), bot.house.root / "bridge.prom"
    secrets = {words.token, words.key}
    watched = {"METRICS_FILE": str(figures), "METRICS_PORT": str(port)}
    await bot.start(**watched)
    thread = await talk(bot, words)
    await bot.start(**watched)
    bot.ann.send(thread, f"{words.prompt} demo:gate left-behind\ndemo:text Again")
    await bot.gate("left-behind")

    # Everything that runs: the bot, Claude, its host, tmux.
    assert bot.process is not None
    running = house.processes()
    others = set(running) - {bot.process.pid}
    assert len(others) >= 4
    assert processes_with(running, "cmdline", words.all().values()) == []
    assert processes_with(others, "environ", set(words.all().values()) - {words.key}) == []
    tmux = house.tmux("capture-pane", "-p", "-S", "-", "-t", "bridge") + house.tmux("show-environment", "-g")
    assert lines_with(tmux, words.all().values()) == []

    # What it says when it is asked.
    status = await asyncio.to_thread(house.run, "status", "--json")
    doctor = await asyncio.to_thread(house.run, "doctor", "--json", DISCORD_TOKEN="")
    assert json.loads(status.stdout)
    for said in (status, doctor):
        assert lines_with(said.stdout + said.stderr, secrets) == []
    copied = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, str(REPOSITORY / "scripts" / "backup_db.py")],
        cwd=house.root, env=house.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert lines_with(copied.stdout + copied.stderr, words.all().values()) == []
    await asyncio.to_thread(until, figures.exists, "no figures were written")
    served = await asyncio.to_thread(lambda: urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60).read())
    assert lines_with(served.decode() + figures.read_text(), words.all().values()) == []

    await bot.open_gate("left-behind")
    await bot.answered(thread, "Again")
    assert await bot.stop() == 0

    # What stays. The transcripts are Claude's own files; the project is the user's.
    assert files_with(house.root, {words.token}) == []
    assert files_with(house.data, {words.key}) == []
    assert list((house.data / "backups").iterdir())
    assert open_to_others(house.data) == []
    logs = "".join(path.read_text() for path in (house.data / "logs").iterdir())
    assert lines_with(logs + bot.log, words.all().values()) == []
    for event in ("Discord connected", "session created", "host started", "ask decided", "turn ended",
                  "stranger turned away"):  # fmt: skip
        assert f'"event": "{event}"' in logs, event

    # What Discord got: its users' words and Claude's (a path in the work directory may be among them).
    sent = json.dumps([[each.path, each.query, each.body, each.files] for each in bot.fake.requests])
    assert words.output in sent
    places = (house.data, house.config, house.root / "home", REPOSITORY, Path(sys.prefix))
    machine = {*secrets, *map(str, places), "Traceback (most"}
    assert lines_with(sent, machine) == []
    messages = [message for place in (bot.fake.general, *bot.fake.threads()) for message in place.messages]
    files = [file.data for message in messages for file in message.attachments]
    assert [word for word in machine for data in files if word.encode() in data] == []
