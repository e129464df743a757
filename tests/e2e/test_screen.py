"""The interactive screen, with the real CLI, drawn by a real terminal (tmux)."""

import json
import os
import re
import shlex
import signal
import uuid

import pytest

from tests.e2e.conftest import OpenTerminal
from tests.e2e.house import House, until
from tests.e2e.terminal import Terminal
from tests.fakes.cli_home import scripted_command

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(180)]


def count(pattern: str, text: str) -> int:
    return len(re.findall(pattern, text, re.MULTILINE))


def test_first_conversation_from_start_to_quit(house: House, open_terminal: OpenTerminal) -> None:
    gate = uuid.uuid4().hex
    terminal = open_terminal("chat")
    terminal.until("new session")
    terminal.send(
        f"demo:thinking Let me see. demo:bash echo hi; echo ho demo:text one two demo:gate {gate} demo:text end"
    )
    house.reached(gate)
    # What is not complete yet is on the screen.
    terminal.until(r"one two")
    terminal.until(r"working \d+ s")
    house.release(gate)
    text = terminal.until(r"── done · [\d.]+ s · \$[\d.]+ · [\d,]+ tokens")
    for line in ("❯ demo:thinking", r"^  Let me see\.$", r"✓ Bash echo hi; echo ho  hi \(\+1 lines\)", "^end"):
        assert count(line, text) == 1, (line, text)
    terminal.until("○ ready")

    terminal.send("/quit")
    assert terminal.exit_code() == 0
    assert re.search(r"Back to this session: \S*claude-bridge chat --session", terminal.text())
    assert "○ ready" not in terminal.screen()


def test_ctrl_c_interrupts_the_turn_and_keeps_the_session_and_twice_leaves(
    house: House, open_terminal: OpenTerminal
) -> None:
    gate = uuid.uuid4().hex
    terminal = open_terminal("chat")
    terminal.until("new session")
    terminal.send(f"demo:text partial words demo:gate {gate} demo:text never")
    house.reached(gate)
    terminal.until("^DEMO: partial words")  # the answer, not the prompt that asks for it
    terminal.type("", "C-c")
    text = terminal.until("── interrupted")
    assert count("^DEMO: partial words", text) == 1
    terminal.until("○ ready")
    terminal.send("demo:text goes on")
    terminal.until("^DEMO: goes on")
    terminal.until("○ ready")

    terminal.type("half a prompt", "C-c")
    until(lambda: "half a prompt" not in terminal.screen())
    terminal.type("", "C-c")
    terminal.until("Press Ctrl-C again to leave")
    terminal.type("", "C-c")
    assert terminal.exit_code() == 0


@pytest.mark.parametrize("how", ["kill", pytest.param("quit", marks=pytest.mark.soak)])
def test_what_was_said_meanwhile_is_there_once(house: House, open_terminal: OpenTerminal, how: str) -> None:
    first_gate, second_gate = uuid.uuid4().hex, uuid.uuid4().hex
    first = open_terminal("chat")
    first.until("new session")
    first.send(f"demo:text one demo:bash echo seen demo:text half demo:gate {first_gate} demo:text whole")
    house.reached(first_gate)
    seen = first.until("^half")
    assert count(r"✓ Bash echo seen", seen) == 1
    first.send(f"demo:text queued demo:gate {second_gate} demo:text later")
    first.until(r"1\. demo:text queued .*\(waits\)")
    if how == "kill":
        os.kill(house.owner_pid(), signal.SIGKILL)
    else:
        first.send("/quit")
        first.until("Claude goes on working")
    first.exit_code()
    house.release(first_gate)

    second = open_terminal("chat")
    house.reached(second_gate)
    house.release(second_gate)
    text = second.until(r"later\s+── done")
    # Printed by the first terminal, and not again; what followed is here, once.
    assert count(r"✓ Bash echo seen|^DEMO: one", text) == 0
    assert (count(r"^half", text), count(r"^whole", text)) == (1, 1)
    assert (count(r"^DEMO: queued", text), count(r"^later", text)) == (1, 1)
    second.send("/quit")
    second.exit_code()

    third = open_terminal("chat")
    # Who left last parked the session if it was at rest by then.
    third.until("○ (ready|asleep)")
    assert count(r"DEMO|whole|later|Since you were here", third.text().replace("demo:", "")) == 0


def test_asks_questions_and_plans_are_answered_at_the_keyboard(
    house: House, open_terminal: OpenTerminal
) -> None:
    terminal = open_terminal("chat")
    terminal.until("new session")
    terminal.send("demo:bash touch denied demo:text end1")
    terminal.until("1. Allow once")
    terminal.send("not this file")
    terminal.until("✗ denied: not this file")
    terminal.until("── done")

    terminal.send("demo:bash touch first demo:bash touch first demo:text end2")
    terminal.until(r"2\. Allow for session")
    terminal.type("2")
    terminal.until(r"(?s)✓ allowed for this session.*── done.*○ ready")

    terminal.send("demo:ask-question Left or right? demo:ask-question How many? demo:text end3")
    terminal.until("Left or right")
    terminal.until(r"2\. Right")
    terminal.type("", "Down", "Enter")
    terminal.until(r"✓ Right")
    terminal.until(r"(?s)\? How many\?.*3\. Both")
    terminal.type("8", "Enter")  # there is no eighth option
    terminal.until(r"✓ 8")
    terminal.until(r"(?s)end3.*── done.*○ ready")

    terminal.send("demo:plan Turn left first. demo:text end4")
    terminal.until("Turn left first")
    terminal.until(r"3\. Revise")
    terminal.type("", "3")
    terminal.until("sent back")
    terminal.until(r"(?s)end4.*── done")
    assert not (house.project / "denied").exists()
    assert (house.project / "first").exists()


def test_commands_do_what_help_says(house: House, open_terminal: OpenTerminal) -> None:
    terminal = open_terminal("chat")
    terminal.until("new session")
    terminal.send("/help")
    terminal.until("/sessions +list the sessions")
    terminal.send("demo:text first session")
    terminal.until("── done")
    terminal.send("/model claude-haiku-4-5")
    terminal.until("The model is claude-haiku-4-5")
    terminal.send("/mode acceptEdits")
    terminal.until("The mode is acceptEdits now")
    terminal.send("/rename My Work")
    terminal.until("My Work")
    terminal.send("/new")
    terminal.until("── session")
    terminal.send("demo:text second session")
    terminal.until("DEMO: second session")
    terminal.send("/sessions")
    terminal.until(r"▸ +1  demo:text second session")
    terminal.until(r" 2  My Work")
    terminal.send("/switch 2")
    terminal.until(r"── My Work")
    terminal.send("/chekpoint list")
    terminal.until(r"There is no command /chekpoint here.*Do you mean /checkpoint\?")
    terminal.send("/switch nobody")
    terminal.until("There is no such session")
    terminal.send("/retry")
    terminal.until(r"(?s)── My Work.*DEMO: first session")
    terminal.type("", "C-d")
    assert terminal.exit_code() == 0
    rows = house.rows("SELECT title, model FROM sessions ORDER BY created_at")
    assert rows[0] == ("My Work", "claude-haiku-4-5")


def test_two_terminals_show_the_same_and_one_takes_over_when_the_other_is_killed(
    house: House, open_terminal: OpenTerminal
) -> None:
    gate = uuid.uuid4().hex
    first = open_terminal("chat")
    first.until("new session")
    first.send("demo:text hello both")
    first.until("── done")
    owner = house.owner_pid()
    second = open_terminal("chat")
    second.until("○ ready")
    second.send(f"demo:text from the second demo:gate {gate} demo:text and on")
    house.reached(gate)
    first.until("from the second")
    assert house.owner_pid() == owner
    os.kill(owner, signal.SIGKILL)
    second.until("Claude's work goes on")
    house.release(gate)
    text = second.until("── done")
    assert count("^DEMO: from the second", text) == 1
    assert house.owner_pid() != owner


def test_pane_shows_the_conversation_while_somebody_looks(house: House, open_terminal: OpenTerminal) -> None:
    gate = uuid.uuid4().hex
    terminal = open_terminal("chat")
    terminal.until("new session")
    terminal.send(f"demo:text in the pane demo:bash echo shown demo:gate {gate} demo:text end")
    house.reached(gate)
    looking = f"unset TMUX; exec tmux -L {house.tmux_socket()} attach"
    with Terminal(["/bin/sh", "-c", looking], house.environment, house.root) as look:
        look.until("❯ demo:text in the pane")
        look.until("● Bash echo shown")
        house.release(gate)
        look.until("── done")


def test_without_token_two_lines_tell_what_discord_needs_and_the_demo_is_tried_without_login(
    house: House, open_terminal: OpenTerminal
) -> None:
    for name in ("ANTHROPIC_API_KEY", "CLAUDE_CONFIG_DIR"):
        del house.environment[name]
    terminal = open_terminal()
    text = terminal.until(" DEMO ")
    assert "DISCORD_TOKEN, ALLOWED_GUILD_IDS and ALLOWED_USER_IDS" in text
    terminal.until("Nobody is logged in to Claude, so the built-in DEMO answers")
    terminal.until(r"In a browser, too; this link logs you in once, within five minutes:\s+http://127\.0\.0\.1")
    terminal.send("hello")
    terminal.until("DEMO: you said: hello")
    terminal.send("/quit")
    assert terminal.exit_code() == 0
    assert not (house.data / "sessions.db").exists()


def test_configured_bot_never_falls_back_to_the_demo(house: House) -> None:
    del house.environment["ANTHROPIC_API_KEY"]
    done = house.once("hello", DISCORD_TOKEN="no-token", CLAUDE_CODE_MAX_RETRIES="0")
    assert done.returncode == 1
    assert "DEMO" not in done.stdout + done.stderr
    assert "claude auth login" in done.stderr


def test_chat_without_a_terminal_says_what_to_do_instead(house: House) -> None:
    done = house.run("chat")
    assert done.returncode == 2
    assert "chat --once" in done.stderr


def test_a_form_of_a_server_is_filled_in_at_the_keyboard(house: House, open_terminal: OpenTerminal) -> None:
    """With the scripted CLI: digits choose where there are choices, and are typed elsewhere."""
    colour = {"type": "string", "title": "Colour", "enum": ["r", "g"], "enumNames": ["Red", "Green"]}
    schema = {
        "properties": {"n": {"type": "integer", "title": "Count", "maximum": 9}, "c": colour},
        "required": ["n"],
    }
    request = json.dumps({"mcp_server_name": "shop", "message": "Which?", "requested_schema": schema})
    terminal = open_terminal("chat", CLAUDE_COMMAND=shlex.join(scripted_command()))
    terminal.until("new session")
    terminal.send(f"demo:elicit {request}")
    terminal.until(r"\? The MCP server shop asks for input")
    terminal.until("1. Fill in")
    terminal.type("1")
    terminal.until(r"Count \(a whole number, required\)")
    terminal.send("10")
    terminal.until("“Count” must be at most 9")
    terminal.send("3")
    terminal.until("2. Green")
    terminal.type("2")
    terminal.until(r"✓ n: 3, c: g")
    terminal.until(r'the person said \{"action": "accept", "content": \{"n": 3, "c": "g"\}\}')
