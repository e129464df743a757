"""`doctor` against a fake Discord and the scripted CLI: what is wrong is named, with what to do."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge import machine_checks
from bridge.doctor import Report, doctor, examine
from bridge.findings import Finding, Level
from bridge.invite import NEEDED
from bridge.machine_checks import check_git, check_prefix
from bridge.ownership import OwnerKind, owning
from bridge.settings_loading import load_settings
from tests.fakes.discord_server import FakeDiscord, payloads
from tests.fakes.discord_server.permissions import Permission

USER = "100000000000000001"
_PACKAGES = {"PYTHONPATH": str(Path(__file__).parents[2])}

pytestmark = pytest.mark.usefixtures("clean_place")


def env(discord: FakeDiscord, **changes: str) -> Path:
    """A `.env` for this Discord in which all is right but for `changes`."""
    values = {
        "DISCORD_TOKEN": discord.token,
        "ALLOWED_GUILD_IDS": str(discord.home.id),
        "ALLOWED_USER_IDS": str(discord.admin.id),
        "MIN_FREE_MEMORY": "1M",
        "MIN_FREE_DISK": "1M",
    }
    path = Path(".env")
    path.write_text("".join(f"{name}={value}\n" for name, value in (values | changes).items()))
    path.chmod(0o600)
    return path


async def report(discord: FakeDiscord, **changes: str) -> Report:
    path = env(discord, **changes)
    return await examine(load_settings(path), path, f"{discord.url}/api/v10")


def found(report: Report, name: str) -> Mapping[Level, list[Finding]]:
    named = [each for each in report.findings if each.name == name]
    return {level: [each for each in named if each.level is level] for level in Level}


async def test_all_is_well_and_the_invite_link_is_there(discord: FakeDiscord) -> None:
    healthy = await report(discord)
    assert [each for each in healthy.findings if each.level is Level.FAILED] == []
    assert healthy.healthy
    assert f"client_id={discord.site.world.application_id}" in healthy.invite
    assert found(healthy, "server")[Level.OK][0].sentence.startswith("The bot is in Home")


async def test_a_wrong_token_is_told_with_the_place_where_a_new_one_is_made(discord: FakeDiscord) -> None:
    wrong = await report(discord, DISCORD_TOKEN="not-the-token")
    (finding,) = found(wrong, "token")[Level.FAILED]
    assert not wrong.healthy
    assert "Reset Token" in finding.remedy
    assert wrong.invite == ""
    assert "not-the-token" not in str(wrong)


async def test_a_discord_that_does_not_answer_is_no_wrong_token(clean_place: Path) -> None:
    path = clean_place / ".env"
    path.write_text("DISCORD_TOKEN=some-token\n")
    report = await examine(load_settings(path), path, "http://127.0.0.1:9/api/v10")
    (finding,) = found(report, "token")[Level.FAILED]
    assert finding.sentence == "Discord does not answer."


async def test_the_missing_intent_is_told_with_the_page_that_has_the_switch(
    discord: FakeDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = payloads.application
    monkeypatch.setattr(
        payloads, "application", lambda *of: application(*of) | {"flags": 0, "bot_public": True}
    )
    without = await report(discord)
    (finding,) = found(without, "intent")[Level.FAILED]
    assert f"{discord.site.world.application_id}/bot" in finding.remedy
    assert found(without, "invites")[Level.WARNING]


async def test_a_server_without_the_bot_is_told_with_the_invite_link(discord: FakeDiscord) -> None:
    strange = await report(discord, ALLOWED_GUILD_IDS=USER)
    (finding,) = found(strange, "server")[Level.FAILED]
    assert USER in finding.sentence
    assert strange.invite in finding.remedy


async def test_permissions_that_are_lacking_or_too_many_are_named(discord: FakeDiscord) -> None:
    poor = discord.guild("Poor", discord.admin, bot_permissions=int(Permission.VIEW_CHANNEL))
    poor.roles[poor.id].permissions = 0
    discord.role("Others", int(Permission.SEND_MESSAGES), guild=poor)
    rich = discord.guild("Rich", discord.admin, bot_permissions=int(Permission.ADMINISTRATOR))
    both = found(await report(discord, ALLOWED_GUILD_IDS=f"{poor.id},{rich.id}"), "server")
    (lacking,) = both[Level.FAILED]
    named = set(lacking.sentence.removeprefix("In Poor the bot lacks: ").removesuffix(".").split(", "))
    assert named == set(NEEDED) - {"View Channels"}
    (much,) = both[Level.WARNING]
    assert "Administrator" in much.sentence


async def test_ids_of_nobody_and_of_no_role_are_told(discord: FakeDiscord) -> None:
    strange = await report(discord, ALLOWED_USER_IDS=USER, ALLOWED_ROLE_IDS=USER)
    words = " ".join(each.sentence for each in found(strange, "people")[Level.WARNING])
    assert "ALLOWED_ROLE_IDS names no role of Home" in words
    assert "Nobody in Home has the id" in words


async def test_without_an_allow_list_the_bot_does_not_start_and_doctor_says_so(discord: FakeDiscord) -> None:
    closed = await report(discord, ALLOWED_USER_IDS="", ALLOWED_GUILD_IDS="")
    assert found(closed, "people")[Level.FAILED]
    assert found(closed, "servers")[Level.FAILED]


async def test_what_is_wrong_with_this_machine_is_told(discord: FakeDiscord, clean_place: Path) -> None:
    (clean_place / "data").mkdir(mode=0o755)
    (clean_place / "data" / "sessions.db").write_bytes(b"no database" * 1000)
    ill = await report(
        discord, CLAUDE_COMMAND="no-such-program", WORKSPACE_ROOT="bin/claude/inside", MIN_FREE_DISK="9000T"
    )
    path = clean_place / ".env"
    path.chmod(0o644)
    ill = await examine(load_settings(path), path, f"{discord.url}/api/v10")
    levels = {each.name: each.level for each in ill.findings}
    assert levels["claude"] is Level.FAILED
    assert levels["workspace"] is Level.FAILED
    assert levels["database"] is Level.FAILED
    assert levels["resources"] is Level.WARNING
    assert levels["data"] is Level.WARNING
    assert levels["settings"] is Level.WARNING
    assert all(each.remedy for each in ill.findings if each.level in (Level.FAILED, Level.WARNING))


async def test_figures_that_have_nowhere_to_go_are_told(discord: FakeDiscord, clean_place: Path) -> None:
    nowhere = await report(discord, METRICS_FILE="figures/bridge.prom")
    (finding,) = found(nowhere, "metrics")[Level.FAILED]
    assert f"{clean_place / 'figures'} is not there" in finding.sentence
    (clean_place / "figures").mkdir()
    assert found(await report(discord, METRICS_FILE="figures/bridge.prom"), "metrics")[Level.OK]
    assert list((clean_place / "figures").iterdir()) == []


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("", None),
        ("/usr/bin/env X=1", ""),
        ("no-such-program --user", "cannot be started (No such file or directory)"),
        ("/bin/sh -c 'echo no manager here >&2; exit 1' --", "starts nothing: no manager here."),
        ("/bin/sh -c 'exit 3' --", "starts nothing: code 3."),
    ],
)
async def test_what_sessions_start_through_is_tried(clean_place: Path, prefix: str, words: str | None) -> None:
    (clean_place / ".env").write_text(f'HOST_PREFIX="{prefix}"\n')
    findings = await check_prefix(load_settings())
    assert [each.level for each in findings] == ([] if words is None else [Level.FAILED if words else Level.OK])
    assert all((words or "") in each.sentence for each in findings)


@pytest.mark.parametrize(
    ("said", "setting", "level", "words"),
    [
        ("git version 2.39.5", "", Level.OK, "git 2.39.5 keeps"),
        ("git version 2.30.2 (Apple Git-130)", "", Level.WARNING, "git 2.30.2 is too old"),
        ("", "", Level.WARNING, "There is no git here"),
        ("git version 2.39.5", "CHECKPOINTS=false", Level.SKIPPED, "switched off"),
    ],
)
async def test_git_that_is_missing_or_old_is_told(
    clean_place: Path, monkeypatch: pytest.MonkeyPatch, said: str, setting: str, level: Level, words: str
) -> None:
    programs = clean_place / "programs"
    programs.mkdir()
    if said:
        (programs / "git").write_text(f"#!/bin/sh\necho '{said}'\n")
        (programs / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    (clean_place / ".env").write_text(f"{setting}\n")
    found = await check_git(load_settings())
    assert (found.level, words in found.sentence) == (level, True)


async def test_a_prefix_that_hangs_is_ended(clean_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checks, "_ANSWER_S", 0.05)
    (clean_place / "bin" / "hang").write_text("#!/bin/sh\nexec sleep 1000\n")
    (clean_place / "bin" / "hang").chmod(0o755)
    (clean_place / ".env").write_text("HOST_PREFIX=hang\n")
    (finding,) = await check_prefix(load_settings())
    assert "started nothing within" in finding.sentence


_AS_SOMEBODY_ELSE = """
import os, sys
from pathlib import Path
from bridge.machine_checks import check_directory, check_resources
from bridge.settings_loading import load_settings
check_resources(load_settings())
os.environ["DATA_DIR"], os.environ["WORKSPACE_ROOT"] = f"{sys.argv[1]}/data", f"{sys.argv[1]}/work"
os.getuid() or os.setuid(65534)
settings = load_settings()
check_resources(settings)
print(check_directory("data", "DATA_DIR", settings.data_dir).sentence)
"""


def test_a_directory_in_one_that_may_not_be_looked_into_is_told_of_in_a_sentence(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    command = [sys.executable, "-c", _AS_SOMEBODY_ELSE, str(closed / "inner")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=os.sep, env=_PACKAGES)
    assert done.stderr == ""
    assert "cannot be written by this user" in done.stdout


# A file system of Windows takes no FIFO and no socket. Here the kernel refuses them: a filter of system calls.
_WITHOUT_FIFOS = """
import ctypes, errno, os, struct, sys
from pathlib import Path
from bridge.machine_checks import check_data_directory
calls = {"x86_64": {"mknod": 133, "mknodat": 259, "bind": 49}, "aarch64": {"mknodat": 33, "bind": 200}}
numbers = [number for name, number in calls[os.uname().machine].items() if name.startswith(sys.argv[2])]
load, equal, answer = 0x20, 0x15, 0x06
program = struct.pack("HBBI", load, 0, 0, 0)
for number in numbers:
    program += struct.pack("HBBI", equal, 0, 1, number)
    program += struct.pack("HBBI", answer, 0, 0, 0x50000 | errno.EPERM)
program += struct.pack("HBBI", answer, 0, 0, 0x7FFF0000)
buffer = ctypes.create_string_buffer(program)
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
filter_ = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
assert libc.prctl(22, 2, filter_, 0, 0) == 0, ctypes.get_errno()
found = check_data_directory(Path(sys.argv[1]))
print(found.level, found.sentence, found.remedy)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="filters of system calls are Linux's")
@pytest.mark.parametrize(("refused", "named"), [("mknod", "FIFO"), ("bind", "socket")])
def test_a_data_directory_that_takes_no_fifo_or_socket_is_told(
    tmp_path: Path, refused: str, named: str
) -> None:
    command = [sys.executable, "-c", _WITHOUT_FIFOS, str(tmp_path / "data"), refused]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=os.sep, env=_PACKAGES)
    assert done.stderr == ""
    assert f"failed The file system of {tmp_path} takes no {named}" in done.stdout
    assert "Put it on a Linux file system" in done.stdout
    assert [each.name for each in tmp_path.iterdir()] == ["bin"]


async def test_a_claude_that_needs_node_says_so(discord: FakeDiscord, clean_place: Path) -> None:
    program = clean_place / "bin" / "claude"
    program.unlink()
    program.write_text("#!/usr/bin/env no-such-node\n")
    program.chmod(0o755)
    (finding,) = found(await report(discord), "claude")[Level.FAILED]
    assert "it needs no-such-node" in finding.sentence
    assert "Put no-such-node on PATH" in finding.remedy


def test_wrong_settings_are_all_listed_with_their_lines_and_end_with_two(
    clean_place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (clean_place / ".env").write_text("MAX_SESSIONS=many\nBACKEND=screen\n")
    assert doctor() == 2
    text = capsys.readouterr().out
    assert "MAX_SESSIONS is “many”" in text
    assert "BACKEND is “screen”" in text
    assert text.count(".env.example, line") == 2


def test_json_says_the_same_and_the_exit_code_too(
    clean_place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (clean_place / ".env").write_text("CLAUDE_COMMAND=no-such-program\n")
    assert doctor(as_json=True) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["healthy"] is False
    assert {"name": "claude", "level": "failed"}.items() <= next(
        each for each in said["findings"] if each["name"] == "claude"
    ).items()


def test_the_live_check_fails_when_nothing_runs_and_when_what_runs_does_not_answer(
    clean_place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor(only_live=True) == 1
    assert "No bridge runs" in capsys.readouterr().out
    with owning(clean_place / "data", OwnerKind.BOT):
        assert doctor(only_live=True) == 1
    assert "does not answer" in capsys.readouterr().out


async def test_a_token_that_cannot_be_one_is_never_sent(discord: FakeDiscord) -> None:
    odd = await report(discord, DISCORD_TOKEN="'Bot abc'")
    assert "Bot" in found(odd, "token")[Level.FAILED][0].remedy
    assert list(discord.requests) == []
