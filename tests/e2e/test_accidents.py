"""The program, tmux or the follower dies, on both backends: nothing is lost and nothing comes twice."""

import os
import re
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from functools import partial

import pytest
from _pytest.mark import ParameterSet

from tests.e2e.conftest import OpenTerminal
from tests.e2e.house import House, until
from tests.e2e.left_behind import files_with, processes_with

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(240)]
ID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.MULTILINE)

# Which append carries the prompt: the one before it is the greeting.
APPEND_OF_PROMPT = 2

Accident = Callable[[House, int], None]


def timed(
    run: Callable[[], "subprocess.CompletedProcess[str]"],
) -> tuple["subprocess.CompletedProcess[str]", float]:
    """Return the result of `run`, and the seconds that it took."""
    began = time.monotonic()
    done = run()
    return done, time.monotonic() - began


def kill_program(house: House, program: int) -> None:
    os.kill(program, signal.SIGKILL)


def kill_tmux_too(house: House, program: int) -> None:
    kill_program(house, program)
    house.tmux("kill-server")


def kill_follower_too(house: House, program: int) -> None:
    kill_program(house, program)
    os.kill(house.host_pid("follower"), signal.SIGKILL)


def kill_only_follower(house: House, program: int) -> None:
    os.kill(house.host_pid("follower"), signal.SIGKILL)


ACCIDENTS: dict[str, tuple[str, Accident]] = {
    "program": ("auto", kill_program),
    "program and tmux": ("auto", kill_tmux_too),
    "program and follower": ("auto", kill_follower_too),
    "follower": ("auto", kill_only_follower),
    "program, pty": ("pty", kill_program),
    "program and follower, pty": ("pty", kill_follower_too),
}


def accidents(*in_the_gate: str) -> list[ParameterSet]:
    """Every accident; those that the gate does not run are left to the soak."""
    return [
        pytest.param(*accident, id=name, marks=() if name in in_the_gate else pytest.mark.soak)
        for name, accident in ACCIDENTS.items()
    ]


def finished(house: House, process: "subprocess.Popen[str]") -> str:
    """The output of a `chat --once` that went well, after checking that all agree on what was said."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, (out, err)
    session = ID.search(err)
    assert session
    assert (
        out.rstrip("\n") == house.stored_text(session[0]).rstrip("\n") == house.transcript_text().rstrip("\n")
    )
    return out


@pytest.mark.parametrize(
    ("backend", "accident"), accidents("program and tmux", "follower", "program and follower, pty")
)
def test_streamed_answer_goes_on(house: House, backend: str, accident: Accident) -> None:
    gate = uuid.uuid4().hex
    house.environment["BACKEND"] = backend
    with house.core() as core:
        chat = house.start("chat", "--once", f"demo:long 30 demo:gate {gate} demo:long 30 demo:bash echo end")
        house.reached(gate)
        accident(house, core.pid)
        # The chat has lost its core and opens one itself.
        if core.poll() is not None or accident is not kill_only_follower:
            until(lambda: house.owner_pid() == chat.pid)
        house.release(gate)
        out = finished(house, chat)
    assert out.count("DEMO line 1 of 30") == out.count("DEMO line 30 of 30") == 2
    assert "Bash answered: end" in out


@pytest.mark.parametrize(("backend", "accident"), accidents("program", "follower"))
def test_running_tool_goes_on(house: House, backend: str, accident: Accident) -> None:
    house.environment["BACKEND"] = backend
    house.project.mkdir(parents=True)
    wait = "until [ -e go ]; do sleep 0.05; done; echo done"
    with house.core() as core:
        chat = house.start("chat", "--once", f"demo:text before demo:bash sleep 0; {wait} demo:text after")
        until(
            lambda: any(
                "until [ -e go ]" in each for each in house.processes().values() if "host.sh" not in each
            )
        )
        until(lambda: '"tool_call"' in str(house.rows("SELECT body FROM blocks")))
        accident(house, core.pid)
        if accident is not kill_only_follower:
            until(lambda: house.owner_pid() == chat.pid)
        (house.project / "go").touch()
        out = finished(house, chat)
    assert out == "DEMO: before\n\nDEMO: Bash answered: done\n\nafter\n"


@pytest.mark.parametrize(("backend", "accident"), accidents("program and follower", "program, pty"))
def test_open_ask_is_answerable_afterwards_and_the_answer_takes_effect(
    house: House, open_terminal: OpenTerminal, backend: str, accident: Accident
) -> None:
    house.environment["BACKEND"] = backend
    first = open_terminal("chat")
    first.until(r"new session")
    first.send("demo:text before demo:bash touch made demo:text after")
    first.until("1. Allow once")
    accident(house, house.owner_pid())
    second = first
    if accident is not kill_only_follower:
        first.exit_code()
        second = open_terminal("chat")
        second.until("Claude wants to use Bash")
        second.until("1. Allow once")
    assert not (house.project / "made").exists()
    second.type("1")
    text = second.until("── done")
    assert (house.project / "made").exists()
    assert len(re.findall(r"^after$", text, re.MULTILINE)) == 1
    assert [(status,) for (status,) in house.rows("SELECT status FROM asks")] == [("decided",)]
    assert house.transcript_text() == house.stored_text(str(house.rows("SELECT id FROM sessions")[0][0]))


def test_crash_in_mid_append_of_a_large_prompt_lets_it_arrive_once_and_whole(house: House) -> None:
    filler = "0123456789abcde\n" * (1_000_000 // 16 - 20)
    prompt = f"demo:digest\n{filler}"
    crashed = house.run(
        "chat", "--once", "-", given=prompt, CLAUDE_BRIDGE_CRASH_AT=f"input_log.in_append:{APPEND_OF_PROMPT}"
    )
    assert crashed.returncode == 137
    session = ID.search(crashed.stderr)
    assert session
    torn = (house.host_directory() / "input.ndjson").read_bytes()
    assert 400_000 < len(torn) < 1_000_000
    assert not torn.endswith(b"\n")

    after = house.once("demo:text after", "--session", session[0])
    assert after.returncode == 0, after.stderr
    assert [len(each) for each in house.prompts()] == [len(prompt), len("demo:text after")]
    assert house.prompts()[0] == prompt
    assert house.stored_text(session[0]) == house.transcript_text()


def test_second_owner_names_the_first_within_a_second(house: House) -> None:
    with house.core() as core:
        late = []
        for _ in range(6):  # a busy machine makes single starts take seconds: one that does not is enough
            second, took = timed(house.run_core)
            # The same program ending at its settings: what the machine takes to start Python just now.
            refused, bare = timed(partial(house.run_core, MAX_SESSIONS="none"))
            assert (second.returncode, refused.returncode) == (1, 2)
            assert f"pid {core.pid}" in second.stderr
            assert "Stop it first" in second.stderr
            late.append(took - bare)
            if late[-1] < 1:
                break
        assert min(late) < 1


def test_joined_chat_and_owner_share_one_session_and_status_tells(house: House) -> None:
    with house.core() as core:
        done = house.once("demo:text joined")
        assert (done.returncode, done.stdout) == (0, "DEMO: joined\n")
        status = house.run("status")
        assert f"process {core.pid}" in status.stdout
        assert "demo:text joined" in status.stdout
    assert house.run("status").returncode == 1


def test_status_of_the_real_bridge_points_to_a_demo_that_runs(house: House) -> None:
    house.data.mkdir()
    (house.data / "sessions.db").touch()
    with house.core(DATA_DIR=str(house.data / "demo")):
        told = house.run("status")
        assert (told.returncode, "Only the demo runs here" in told.stderr) == (1, True)
        assert house.run("status", "--demo").returncode == 0


@pytest.mark.parametrize("backend", ["tmux", "pty"])
def test_discord_token_is_nowhere(house: House, backend: str) -> None:
    sentinel = f"sentinel-{uuid.uuid4().hex}"
    gate = uuid.uuid4().hex
    house.environment |= {
        "BACKEND": backend,
        "DISCORD_TOKEN": sentinel,
        "ALLOWED_GUILD_IDS": "123456789012345678",
        "ALLOWED_USER_IDS": "123456789012345678",
        "CHILD_ENV": "default OTHER",
        "OTHER": f"x{sentinel}y",
        "LOG_LEVEL": "DEBUG",
    }
    with house.core() as core:
        chat = house.start("chat", "--once", f"demo:bash env demo:gate {gate} demo:text end", DISCORD_TOKEN="")
        house.reached(gate)
        children = [pid for pid in house.processes() if pid not in (core.pid, chat.pid)]
        assert len(children) >= 3
        assert processes_with(children, "environ", {sentinel}) == []
        assert processes_with(house.processes(), "cmdline", {sentinel}) == []
        panes = house.tmux("capture-pane", "-p", "-S", "-", "-t", "bridge") + house.tmux(
            "show-environment", "-g"
        )
        house.release(gate)
        out, err = chat.communicate(timeout=60)
        assert "end" in out
    assert sentinel not in panes + out + err
    assert files_with(house.data, {sentinel}) == []
