"""Nothing of a user reaches argv, and nothing secret the child's environment."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.claude.errors import BadLaunch
from sessions.claude.launch import (
    DEFAULT_CHILD_ENV,
    Closed,
    Fork,
    Fresh,
    InstructionsOnly,
    LaunchLine,
    Resume,
    Start,
    Trusted,
    argv,
    child_environment,
    cli_mode,
    settings,
)

ONE = "00000000-0000-4000-8000-000000000001"
TWO = "00000000-0000-4000-8000-000000000002"
THREE = "00000000-0000-4000-8000-000000000003"


def line(start: Start, **facts: object) -> LaunchLine:
    return LaunchLine(("claude",), start, (Path("/srv/data"),), **facts)  # type: ignore[arg-type]  # a test's table


@pytest.mark.parametrize(
    ("start", "flags"),
    [
        (Fresh(ONE), ("--session-id", ONE)),
        (Resume(ONE), ("--resume", ONE)),
        (Resume(ONE, continue_turn=True), ("--resume", ONE)),
        (Fork(ONE, TWO), ("--resume", ONE, "--fork-session", "--session-id", TWO)),
        (
            Fork(ONE, TWO, THREE),
            ("--resume", ONE, "--fork-session", "--session-id", TWO, "--resume-session-at", THREE),
        ),
    ],
)
def test_a_conversation_is_begun_resumed_or_forked(start: Start, flags: tuple[str, ...]) -> None:
    found = argv(line(start))
    at = found.index(flags[0])
    assert found[at : at + len(flags)] == flags
    assert found[at + len(flags)] == "--permission-mode"


def test_the_command_comes_first_and_asks_come_over_the_wire() -> None:
    found = argv(LaunchLine(("/opt/run", "claude"), Fresh(ONE), ()))
    assert found[:3] == ("/opt/run", "claude", "-p")
    assert found[found.index("--permission-prompt-tool") + 1] == "stdio"
    assert {"--verbose", "--include-partial-messages", "--replay-user-messages"} <= set(found)


def test_a_project_must_be_trusted_before_its_settings_and_servers_run() -> None:
    project = Path("/srv/shop")
    sources = {
        kind: argv(line(Fresh(ONE), brought=brought, user_servers=servers))
        for kind, brought, servers in [
            ("closed", Closed(), False),
            ("text", InstructionsOnly(project), False),
            ("text, own servers", InstructionsOnly(project), True),
            ("trusted", Trusted(project), True),
            ("trusted, no own servers", Trusted(project), False),
        ]
    }
    found = {
        kind: (each[each.index("--setting-sources") + 1], "--strict-mcp-config" in each, "--add-dir" in each)
        for kind, each in sources.items()
    }
    assert found == {
        "closed": ("user", True, False),
        "text": ("user", True, True),
        "text, own servers": ("user", False, True),
        "trusted": ("user,project,local", False, False),
        "trusted, no own servers": ("user,project,local", True, False),
    }


@pytest.mark.parametrize(
    "model", ["opus", "claude-opus-5-5", "claude-opus-5-5[1m]", "us.anthropic.claude:0", "a/b@c"]
)
def test_a_model_is_passed_on(model: str) -> None:
    found = argv(line(Fresh(ONE), model=model))
    assert found[found.index("--model") + 1] == model


@pytest.mark.parametrize("model", ["-opus", "--settings", "a b", "a\nb", "opus;x", "é", "x" * 200, "a[]"])
def test_a_model_that_could_be_something_else_is_refused(model: str) -> None:
    with pytest.raises(BadLaunch):
        argv(line(Fresh(ONE), model=model))


def test_no_model_leaves_the_choice_to_the_cli() -> None:
    assert "--model" not in argv(line(Fresh(ONE)))


@pytest.mark.parametrize(
    ("mode", "name"), [("default", "manual"), ("plan", "plan"), ("acceptEdits", "acceptEdits")]
)
def test_a_permission_mode_has_the_name_that_the_command_line_knows(mode: str, name: str) -> None:
    assert cli_mode(mode) == name


@pytest.mark.parametrize("mode", ["", "manual", "PLAN", "--yolo"])
def test_an_unknown_permission_mode_is_refused(mode: str) -> None:
    with pytest.raises(BadLaunch):
        cli_mode(mode)


@given(st.text())
def test_no_text_passes_as_an_id(text: str) -> None:
    for start in (Fresh(text), Resume(text), Fork(text, ONE), Fork(ONE, text)):
        with pytest.raises(BadLaunch):
            argv(line(start))


@pytest.mark.parametrize("bad", [f"{{{ONE}}}", f"urn:uuid:{ONE}", ONE.replace("-", ""), f"{ONE}\n", f" {ONE}"])
def test_other_spellings_of_a_uuid_do_not_pass(bad: str) -> None:
    with pytest.raises(BadLaunch):
        argv(line(Fresh(bad)))


def test_settings_deny_secrets_and_private_directories_under_every_name(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    denied = settings([tmp_path / "link"])["permissions"]
    assert isinstance(denied, dict)
    rules = denied["deny"]
    for name in ("link", "data"):
        assert f"Read(/{tmp_path}/{name}/**)" in rules
        assert f"Edit(/{tmp_path}/{name}/**)" in rules
    assert {"Read(//**/.env)", "Edit(//**/.env)", "Read(//**/.env.local)"} <= set(rules)
    assert not any(".env.example" in rule for rule in rules)


def test_wild_cards_in_a_directory_name_stay_themselves() -> None:
    rules = json.dumps(settings([Path("/srv/a*b[1]")]))
    assert json.dumps(r"Read(//srv/a\*b\[1\]/**)") in rules


# --- environment -------------------------------------------------------------------------------------------

PARENT = {
    "PATH": "/bin",
    "HOME": "/home/demo",
    "LC_ALL": "C",
    "LC_TIME": "C",
    "ANTHROPIC_API_KEY": "key",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1",
    "SECRET_OF_ANOTHER": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "DISCORD_TOKEN": "sentinel",
    "DATABASE_PATH": "x",
    "LD_PRELOAD": "x",
    "PYTHONPATH": "x",
    "CLAUDE_CODE_RESUME_INTERRUPTED_TURN": "1",
}


def test_only_listed_names_pass() -> None:
    names = set(child_environment(PARENT)) - {
        name for name in child_environment({}) if name.startswith("CLAUDE_")
    }
    assert names == {"PATH", "HOME", "LC_ALL", "LC_TIME", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"}


def test_what_an_operator_lists_replaces_the_default() -> None:
    found = child_environment(PARENT, ["PATH", "AWS_*"])
    assert {"PATH", "AWS_SECRET_ACCESS_KEY"} <= found.keys()
    assert "HOME" not in found


@pytest.mark.parametrize("names", [["*"], ["DISCORD_TOKEN"], ["DISCORD_*"], ["D*"], [*DEFAULT_CHILD_ENV, "*"]])
def test_the_discord_token_never_passes_whatever_is_listed(names: list[str]) -> None:
    parent = {**PARENT, "discord_token": "sentinel", "COPY_OF_IT": "Bot sentinel", "BOT_TOKEN": "sentinel"}
    assert "sentinel" not in "".join(child_environment(parent, names).values())


def test_an_empty_token_hides_nothing() -> None:
    assert child_environment({"PATH": "/bin", "DISCORD_TOKEN": ""})["PATH"] == "/bin"


def test_the_protocol_gets_what_it_needs_and_a_cut_turn_goes_on_only_when_asked() -> None:
    found = child_environment(PARENT, start=Resume(ONE))
    assert found["CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS"] == "1"
    assert found["CLAUDE_CODE_ENABLE_SDK_FILE_CHECKPOINTING"] == "true"
    assert int(found["CLAUDE_CODE_STREAM_EVENT_HOLD_MS"]) <= 300
    assert "CLAUDE_CODE_RESUME_INTERRUPTED_TURN" not in found
    assert "CLAUDE_CODE_RESUME_INTERRUPTED_TURN" not in child_environment(PARENT, ["*"], start=Fresh(ONE))
    assert (
        child_environment({}, start=Resume(ONE, continue_turn=True))["CLAUDE_CODE_RESUME_INTERRUPTED_TURN"]
        == "1"
    )
