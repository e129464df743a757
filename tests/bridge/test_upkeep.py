"""A running bridge beside its faces, as a process of its own; and what a run leaves behind."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from api import ExportSession
from bridge.control_client import connected
from bridge.control_socket import local_actor
from sessions.model import ExportFormat
from tests.e2e.conftest import demo_url, house
from tests.e2e.house import REPOSITORY, House, free_port, until
from tests.e2e.left_behind import files_with, lines_with

__all__ = ["demo_url", "house"]

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(180)]
IDS = "123456789012345678"


class Manager:
    """A service manager's end of the notification socket."""

    def __init__(self, listening: socket.socket, address: str) -> None:
        self._listening = listening
        self.address = address

    def hears(self, state: str) -> None:
        """Wait until it is told `state`."""
        while state not in self._listening.recv(4096).decode().split("\n"):
            pass


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listening:
        address = str(tmp_path / "notify")
        listening.bind(address)
        listening.settimeout(60)
        yield Manager(listening, address)


@contextmanager
def kept(house: House, manager: Manager, **variables: str) -> "Iterator[subprocess.Popen[str]]":
    """The program, ready."""
    environment = {**house.environment, "NOTIFY_SOCKET": manager.address, **variables}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bridge.kept_process"],
        cwd=house.root, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            manager.hears("READY=1")
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=60)


def test_it_is_ready_when_it_answers_shows_life_and_says_when_it_ends(house: House, manager: Manager) -> None:
    with kept(house, manager, WATCHDOG_USEC="300000") as process:
        assert house.run("doctor", "--live").returncode == 0
        manager.hears("WATCHDOG=1")
        manager.hears("WATCHDOG=1")
        process.send_signal(signal.SIGTERM)
        manager.hears("STOPPING=1")
        assert process.wait(60) == 0
    assert house.run("doctor", "--live").returncode == 1


def test_the_first_copy_and_the_figures_are_there(house: House, manager: Manager) -> None:
    port, file = free_port(), house.root / "bridge.prom"
    with kept(house, manager, METRICS_PORT=str(port), METRICS_FILE=str(file)):
        until(lambda: list((house.data / "backups/daily").glob("*/sessions.db")), "no copy was made")
        until(file.exists, "no figures were written")
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            text = answer.read().decode()
    assert text.endswith("# EOF\n")
    assert "claude_bridge_max_processes 10" in text
    assert file.read_text().endswith("# EOF\n")


def test_a_port_that_is_taken_is_logged_and_ends_nothing(house: House, manager: Manager) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with kept(house, manager, METRICS_PORT=str(port)):
            log = house.data / "logs" / "bridge.log"
            until(lambda: "metrics not served" in log.read_text(), "nothing was logged")
            assert house.run("doctor", "--live").returncode == 0


def test_what_a_run_leaves_behind_holds_no_token_and_its_logs_no_words(house: House, manager: Manager) -> None:
    token, prompt, output = (f"SENTINEL{uuid.uuid4().hex}{name}" for name in ("token", "prompt", "output"))
    secrets = {"DISCORD_TOKEN": token, "ALLOWED_GUILD_IDS": IDS, "ALLOWED_USER_IDS": IDS}
    said: list[str] = []
    figures = house.root / "bridge.prom"
    with kept(house, manager, LOG_LEVEL="DEBUG", METRICS_FILE=str(figures), **secrets) as process:
        house.project.mkdir(parents=True)
        (house.project / "shown.txt").write_text(output)
        turn = house.once(f"{prompt} demo:bash cat shown.txt demo:text end", "--json")
        assert turn.returncode == 0, turn.stderr
        session = str(json.loads(turn.stdout)["session_id"])
        said += [turn.stderr, house.run("status", "--json").stdout]
        said += [house.run("doctor", "--json", DISCORD_TOKEN="").stdout]
        exports = asyncio.run(export(house, session))
        said += [each.decode(errors="replace") for each in exports.values()]
        made = subprocess.run(
            [sys.executable, str(REPOSITORY / "scripts" / "backup_db.py")],
            cwd=house.root, env=house.environment | secrets, capture_output=True, text=True, check=True,
        )  # fmt: skip
        said += [made.stdout, made.stderr]
        until(figures.exists, "no figures were written")
        log = house.data / "logs" / "bridge.log"
        until(lambda: '"event": "daily backup"' in log.read_text(), "no backup was made")
        process.terminate()
        logged = process.communicate(timeout=60)[1]
    # They were there at all, or this would prove nothing.
    assert prompt.encode() in exports[ExportFormat.JSON]
    assert output.encode() in exports[ExportFormat.JSON]
    assert token not in "".join(said) + logged
    assert files_with(house.root, {token}) == []
    logs = [*(house.data / "logs").iterdir(), figures]
    words = logged + "".join(path.read_text() for path in logs)
    assert lines_with(words, {"SENTINEL"}) == []


def test_a_token_that_somebody_typed_is_not_in_what_is_handed_out(house: House, manager: Manager) -> None:
    token = f"SENTINEL{uuid.uuid4().hex}"
    secrets = {"DISCORD_TOKEN": token, "ALLOWED_GUILD_IDS": IDS, "ALLOWED_USER_IDS": IDS}
    with kept(house, manager, **secrets):
        turn = house.once(f"look at {token} demo:text {token}", "--json")
        exports = asyncio.run(export(house, str(json.loads(turn.stdout)["session_id"])))
    for kind in (ExportFormat.MARKDOWN, ExportFormat.HTML):
        assert b"look at" in exports[kind]
        assert token.encode() not in exports[kind]


async def export(house: House, session: str) -> dict[ExportFormat, bytes]:
    async with connected(house.data) as core:
        return {
            kind: (await core.perform(local_actor(), ExportSession(session_id=session, format=kind))).data
            for kind in ExportFormat
        }
