"""Settings: read once, one list of everything wrong, nothing secret shown, `.env.example` in step."""

import logging
import re
from dataclasses import FrozenInstanceError, asdict
from pathlib import Path

import pytest

from bot.scopes import SessionScope
from bridge.settings import SETTINGS
from bridge.settings_choices import BackendChoice, LogLevel
from bridge.settings_errors import SettingsWrong
from bridge.settings_example import example_text, line_numbers
from bridge.settings_loading import load_settings, missing_for_discord
from sessions.claude.launch import DEFAULT_CHILD_ENV

PROJECT = Path(__file__).parents[2]
ANN, BEN = 123456789012345678, 223456789012345678


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting in the environment, and an empty working directory."""
    for field in SETTINGS:
        monkeypatch.delenv(field.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def wrong(env: str) -> dict[str, str]:
    """The sentences about the `.env` text `env`, by name."""
    Path(".env").write_text(env)
    with pytest.raises(SettingsWrong) as caught:
        load_settings()
    return {problem.name: problem.sentence for problem in caught.value.problems}


def test_without_anything_the_defaults_hold(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.discord_token is None
    assert (settings.max_sessions, settings.max_sessions_per_user, settings.default_timeout) == (10, 3, 300)
    assert (settings.ask_timeout, settings.ask_park_after, settings.enable_persistence) == (None, 3600, True)
    assert settings.database_path == tmp_path / "data" / "sessions.db"
    assert settings.workspace_root == tmp_path / "workspaces"
    assert (settings.session_scope, settings.backend) == (SessionScope.THREAD, BackendChoice.AUTO)
    assert settings.child_env == DEFAULT_CHILD_ENV
    assert settings.secrets == ()


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("MAX_SESSIONS=4", "max_sessions", 4),
        ("MAX_SESSIONS=", "max_sessions", 10),
        ("DEFAULT_TIMEOUT=0.5", "default_timeout", 0.5),
        ("ASK_TIMEOUT=600", "ask_timeout", 600),
        ("FREEZE_AFTER=", "freeze_after", 20),
        ("FREEZE_AFTER=0.5", "freeze_after", 0.5),
        ("FREEZE_AFTER= 0 ", "freeze_after", None),
        (f"ALLOWED_USER_IDS={ANN}", "allowed_user_ids", {ANN}),
        (f"ALLOWED_USER_IDS={ANN}, {BEN},", "allowed_user_ids", {ANN, BEN}),
        (f'ADMIN_USER_IDS="{ANN} {BEN}"', "admin_user_ids", {ANN, BEN}),
        ("ENABLE_PERSISTENCE=off", "enable_persistence", False),
        ("ENABLE_PERSISTENCE=TRUE", "enable_persistence", True),
        ("MIN_FREE_MEMORY=2G", "min_free_memory", 2 * 2**30),
        ("MIN_FREE_DISK=0.5 GiB", "min_free_disk", 2**29),
        ("SESSION_SCOPE=Channel", "session_scope", SessionScope.CHANNEL),
        ("LOG_LEVEL=debug", "log_level", LogLevel.DEBUG),
        ("CHILD_ENV=PATH,HOME", "child_env", ("PATH", "HOME")),
        ("CHILD_ENV=default AWS_*", "child_env", (*DEFAULT_CHILD_ENV, "AWS_*")),
        ("# MAX_SESSIONS=4", "max_sessions", 10),
        ("export MAX_SESSIONS=4", "max_sessions", 4),
        ("max_sessions=4", "max_sessions", 4),
        ("ANTHROPIC_API_KEY=key", "max_sessions", 10),
    ],
)  # fmt: skip
def test_a_line_of_env_says(line: str, field: str, value: object) -> None:
    Path(".env").write_text(f"{line}\n")
    assert getattr(load_settings(), field) == value


@pytest.mark.parametrize(
    ("env", "path"),
    [
        ("DATA_DIR=state", "{cwd}/state/sessions.db"),
        ("DATA_DIR=~/state", "{home}/state/sessions.db"),
        ("DATA_DIR=/srv/state\nDATABASE_PATH=here.db", "{cwd}/here.db"),
        ("DATABASE_PATH=../x/./y.db", "{parent}/x/y.db"),
    ],
)
def test_paths_begin_at_the_working_directory_and_know_the_home(
    env: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    Path(".env").write_text(env)
    expected = path.format(cwd=tmp_path, parent=tmp_path.parent, home="/home/ann")
    assert load_settings().database_path == Path(expected)


def test_the_environment_comes_before_the_file_and_empty_counts_as_unset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_text("MAX_SESSIONS=4\nMAX_SESSIONS_PER_USER=2\n")
    monkeypatch.setenv("MAX_SESSIONS", "5")
    monkeypatch.setenv("MAX_SESSIONS_PER_USER", "")
    settings = load_settings()
    assert (settings.max_sessions, settings.max_sessions_per_user) == (5, 2)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("MAX_SESSIONS=ten", "is “ten”, which is not a whole number. Write a whole number from 1 on."),
        ("MAX_SESSIONS=0", "is 0, which is too small."),
        ("DEFAULT_TIMEOUT=5m", "is “5m”, which is not a number. Write seconds."),
        ("DEFAULT_TIMEOUT=nan", "DEFAULT_TIMEOUT is"),
        ("ENABLE_PERSISTENCE=perhaps", "is “perhaps”, which is neither true nor false."),
        ("SESSION_SCOPE=guild", "is “guild”, which is not a choice. Write thread, channel or user."),
        (f"MIN_FREE_DISK={'9' * 400}M", "which is no size with a unit. Write a size with its unit"),
        ("MIN_FREE_DISK=512", "is “512”, which is no size with a unit. Write a size with its unit"),
        ("ALLOWED_USER_IDS=ann", "holds “ann”, which is no Discord id."),
        ("CHILD_ENV=PATH DISCORD_TOKEN", "holds DISCORD_TOKEN"),
        ("CHILD_ENV=A=B", "holds “A=B”, which is no variable's name."),
        ("WORKSPACE_ROOT=data/projects", "lies in DATA_DIR."),
        ("DATA_DIR=~nobody-of-that-name/x", "there is no such home directory"),
        ("SANDBOX_NETWORK=closed", "is “closed”, which is not a choice. Write open, listed or model."),
        ("SANDBOX_HOSTS=http://example.org", "holds “http://example.org”, which is no host's name."),
        ("SANDBOX_READ=~", "which holds "),
        ("SANDBOX_READ=/", "which holds "),
        ("SANDBOX_READ=/usr/share ~/.ssh", ".ssh. Name only what Claude needs"),
        ("SANDBOX_WRITE=data/logs", "which lies in "),
        ("SANDBOX_WRITE=.", "which holds "),
        ("MAX_SESION=4", "MAX_SESSIONS is written MAX_SESION in .env. Correct its name there."),
    ],
)
def test_a_wrong_value_is_named_with_what_to_write_and_its_line_in_the_example(line: str, words: str) -> None:
    [(name, sentence)] = wrong(line).items()
    assert words in sentence
    number = line_numbers()[name.lower()]
    assert sentence.endswith(f"(.env.example, line {number})")
    assert f"{name}=" in (PROJECT / ".env.example").read_text().splitlines()[number - 1]


def test_everything_wrong_comes_in_one_list() -> None:
    found = wrong(
        "MAX_SESSIONS=ten\nBACKEND=screen\nthis is no line\nALLOWED_GUILD_IDS=x\nRETENTION_DAYS=-1\nLOG_LEVL=x"
    )
    assert set(found) == {
        "MAX_SESSIONS", "BACKEND", "Line 3 of .env", "ALLOWED_GUILD_IDS", "RETENTION_DAYS", "LOG_LEVEL",
    }  # fmt: skip


def test_the_library_does_not_tell_of_the_same_lines(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("dotenv").setLevel(logging.NOTSET)  # as at the start of a process
    wrong("this is no line")
    assert caplog.records == []


def test_a_file_that_cannot_be_read_is_said() -> None:
    Path(".env").write_bytes(b"MAX_SESSIONS=\xff\xfe")
    with pytest.raises(SettingsWrong, match="UTF-8"):
        load_settings()
    Path(".env").unlink()
    Path(".env").mkdir()
    with pytest.raises(SettingsWrong, match="directory"):
        load_settings()


def test_a_secret_is_in_no_text_about_the_settings() -> None:
    Path(".env").write_text("DISCORD_TOKEN=sentinel\n")
    settings = load_settings()
    assert settings.secrets == ("sentinel",)
    assert "sentinel" not in f"{settings!r} {settings} {settings.discord_token} {asdict(settings)}"
    Path(".env").write_text("DISCORD_TOKEN=sentinel\nMAX_SESSIONS=ten\n")
    with pytest.raises(SettingsWrong) as caught:
        load_settings()
    error: BaseException | None = caught.value
    while error is not None:
        assert "sentinel" not in f"{error!r} {error}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_settings_never_change_once_they_are_read() -> None:
    settings = load_settings()
    with pytest.raises(FrozenInstanceError):
        settings.max_sessions = 99  # type: ignore[misc]  # on purpose


@pytest.mark.parametrize(
    ("env", "missing"),
    [
        ("", ["DISCORD_TOKEN", "ALLOWED_GUILD_IDS", "ALLOWED_USER_IDS"]),
        ("DISCORD_TOKEN=x", ["ALLOWED_GUILD_IDS", "ALLOWED_USER_IDS"]),
        (f"DISCORD_TOKEN=x\nALLOWED_GUILD_IDS={ANN}", ["ALLOWED_USER_IDS"]),
        (f"DISCORD_TOKEN=x\nALLOWED_GUILD_IDS={ANN}\nVIEWER_ROLE_IDS={ANN}", ["ALLOWED_USER_IDS"]),
        (f"DISCORD_TOKEN=x\nALLOWED_GUILD_IDS={ANN}\nALLOWED_USER_IDS={ANN}", []),
        (f"DISCORD_TOKEN=x\nALLOWED_GUILD_IDS={ANN}\nALLOWED_ROLE_IDS={ANN}", []),
        (f"DISCORD_TOKEN=x\nALLOWED_GUILD_IDS={ANN}\nADMIN_USER_IDS={ANN}", []),
    ],
)  # fmt: skip
def test_discord_is_closed_until_a_server_and_somebody_are_named(env: str, missing: list[str]) -> None:
    Path(".env").write_text(env)
    assert [problem.name for problem in missing_for_discord(load_settings())] == missing


def test_every_setting_is_read_by_something() -> None:
    files = [each for each in (PROJECT / "bridge").rglob("*.py") if each.name != "settings.py"]
    text = "\n".join(each.read_text(encoding="utf-8") for each in files)
    assert [name for name in SETTINGS if not re.search(rf"\.{name}\b", text)] == []


def test_the_example_names_every_setting_with_its_default_and_nothing_else() -> None:
    text = (PROJECT / ".env.example").read_text()
    assert text == example_text(), "renew it: .venv/bin/python -m bridge.settings_example > .env.example"
    named = re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE)
    assert sorted(named) == sorted(field.upper() for field in SETTINGS)


def test_the_example_with_its_defaults_switched_on_changes_nothing() -> None:
    plain = load_settings()
    text = (PROJECT / ".env.example").read_text()
    Path(".env").write_text(re.sub(r"^#([A-Z_]+=)", r"\1", text, flags=re.MULTILINE))
    assert load_settings() == plain


def test_every_setting_of_the_design_is_there() -> None:
    names = """DISCORD_TOKEN ALLOWED_GUILD_IDS ALLOWED_USER_IDS ALLOWED_ROLE_IDS VIEWER_ROLE_IDS ADMIN_USER_IDS
    MAX_SESSIONS MAX_SESSIONS_PER_USER DEFAULT_TIMEOUT NO_PROGRESS_TIMEOUT ASK_TIMEOUT ASK_PARK_AFTER
    MIN_FREE_MEMORY MIN_FREE_DISK ENABLE_PERSISTENCE DATABASE_PATH DATA_DIR WORKSPACE_ROOT SESSION_SCOPE BACKEND
    CLAUDE_COMMAND CLAUDE_MODEL PERMISSION_MODE CHILD_ENV LOG_LEVEL LOG_FORMAT"""
    assert {name.lower() for name in names.split()} <= set(SETTINGS)
