"""The operations scripts, run as people run them: on a house with real sessions, with a bridge and without."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.house import REPOSITORY, House
from tests.fakes.cli_home import cli_binary

SCRIPTS = ("watch", "backup_db", "restore_db", "prune", "clear_all", "adopt")
pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(240)]


def talked(house: House, prompt: str = "demo:text hello") -> str:
    """Have one turn; return the session."""
    done = house.once(prompt, "--json")
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["session_id"])


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_says_what_it_does_and_how_it_ends(house: House, name: str) -> None:
    shown = house.script(name, "--help")
    assert shown.returncode == 0
    assert "exit codes" in shown.stdout
    assert len(shown.stdout.splitlines()) >= 12


@pytest.mark.parametrize("name", SCRIPTS)
def test_wrong_settings_and_usage_have_a_sentence_and_code_two(house: House, name: str) -> None:
    needed = ["newest"] if name == "restore_db" else []
    wrong = house.script(name, *needed, MAX_SESSIONS="many")
    assert (wrong.returncode, "MAX_SESSIONS is “many”" in wrong.stderr) == (2, True)
    assert house.script(name, "--nonsense").returncode == 2


@pytest.mark.parametrize("options", [["--list"], ["--check"], []], ids=["list", "check", "copy"])
def test_copies_that_cannot_be_read_are_told_in_a_sentence(house: House, options: list[str]) -> None:
    (house.root / "a file").write_text("")
    told = house.script("backup_db", *options, DATABASE_PATH=str(house.root / "a file" / "sessions.db"))
    assert (told.returncode, "Traceback" in told.stderr, told.stderr == "") == (1, False, False)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_one_screen(name: str) -> None:
    lines = (REPOSITORY / "scripts" / f"{name}.py").read_text().splitlines()
    assert len(lines) <= 75


def test_watch_lists_sessions_and_shows_one_by_the_end_of_its_id(house: House) -> None:
    assert "No session has a log" in house.script("watch").stdout
    with house.core():
        session = talked(house, "demo:text seen-in-watch")
        assert session in house.script("watch").stdout
        house_dir = next((house.data / "run").glob(f"{session}/[0-9]*"))
        watched = subprocess.Popen(
            [sys.executable, str(REPOSITORY / "scripts" / "watch.py"), session[-8:]],
            cwd=house.root, env=house.environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert watched.stdout is not None
        shown = ""
        while "DEMO: seen-in-watch" not in shown:
            line = watched.stdout.readline()
            assert line, shown
            shown += line
        watched.terminate()
        watched.communicate()
    assert house_dir.name == "1"
    missing = house.script("watch", "no-such-session")
    assert (missing.returncode, "No session" in missing.stderr) == (1, True)


def test_a_copy_is_made_beside_a_running_bridge_and_put_back_only_when_it_is_stopped(house: House) -> None:
    assert house.script("backup_db").returncode == 1
    with house.core():
        session = talked(house)
        made = house.script("backup_db")
        assert (made.returncode, made.stderr) == (0, "")
        name = made.stdout.split()[0]
        refused = house.script("restore_db", name, "--yes")
        assert (refused.returncode, "uses this data directory" in refused.stderr) == (1, True)
        talked(house, "demo:text later")
    assert name in house.script("backup_db", "--list").stdout
    assert house.script("backup_db", "--check").stdout.strip().endswith("sound")
    assert house.script("restore_db", name).returncode == 1, "nobody said yes"
    assert len(house.rows("SELECT id FROM sessions")) == 2
    done = house.script("restore_db", "newest", "--yes")
    assert done.returncode == 0, done.stderr
    assert "kept as sessions.db.before-restore-" in done.stdout
    assert house.rows("SELECT id FROM sessions") == [(session,)]
    assert house.script("restore_db", "sessions.db.none", "--yes").returncode == 1
    with house.core():
        assert house.run("status").returncode == 0


def test_prune_shows_first_and_deletes_only_when_told_and_asked(house: House) -> None:
    with house.core():
        session = talked(house)
        assert "Due: 0 to archive, 0 to delete." in house.script("prune").stdout
        assert house.script("clear_all", "--yes").returncode == 0
    rules = {"RETENTION_DAYS": "0"}
    plan = house.script("prune", **rules)
    assert (plan.returncode, session in plan.stdout) == (0, True), plan.stderr
    assert "1 to delete" in plan.stdout
    assert house.script("prune", "--apply", **rules).returncode == 1
    assert house.rows("SELECT id FROM sessions") == [(session,)]
    with house.core(**rules):
        done = house.script("prune", "--apply", "--yes", **rules)
    assert "deleted 1." in done.stdout, done.stderr
    assert house.rows("SELECT id FROM sessions") == []


@pytest.mark.parametrize("with_bridge", [True, False])
def test_clear_all_ends_every_process_with_a_bridge_and_without(house: House, with_bridge: bool) -> None:
    with house.core():
        session = talked(house)
        assert house.script("clear_all").returncode == 1, "nobody said yes"
        cleared = house.script("clear_all", "--yes") if with_bridge else None
    cleared = cleared or house.script("clear_all", "--yes")
    assert (cleared.returncode, session in cleared.stdout) == (0, True), cleared.stderr
    assert "its process has ended" in cleared.stdout
    assert [each for each in house.processes().values() if "claude" in each and "-p " in each] == []
    assert house.rows("SELECT status FROM sessions") == [("ended",)]


def test_a_conversation_begun_elsewhere_is_listed_and_adopted(house: House) -> None:
    assert "There is no conversation" in house.script("adopt").stdout
    house.project.mkdir(parents=True)
    subprocess.run(
        [cli_binary(), "-p", "demo:text begun-outside"], cwd=house.project, env=house.environment, check=True,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=100,
    )  # fmt: skip
    listed = house.script("adopt")
    assert "begun-outside" in listed.stdout, listed.stderr
    strange = house.script("adopt", "no-such-one")
    assert (strange.returncode, "No conversation without a session is “no-such-one”" in strange.stderr) == (
        2,
        True,
    )
    conversation = listed.stdout.split()[0]
    adopted = house.script("adopt", conversation[:13])
    assert adopted.returncode == 0, adopted.stderr
    found = re.search(r"session (\S+)\.", adopted.stdout)
    assert found is not None
    more = house.once("demo:text and-on", "--session", found[1])
    assert (more.returncode, "and-on" in more.stdout) == (0, True)
    assert "There is no conversation" in house.script("adopt").stdout


def test_scripts_are_not_in_the_wheel() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text()
    packages = re.search(r"^packages = (.*)$", text, re.MULTILINE)
    assert packages is not None
    assert "scripts" not in packages[1]
    assert Path(REPOSITORY / "scripts").is_dir()
