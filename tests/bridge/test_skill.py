"""The skill for the user's own Claude: installed once, renewed, and never over somebody's edits."""

import re
from pathlib import Path

import pytest

from bridge.cli import parse
from bridge.invocation import InstallSkill
from bridge.session_arguments import SESSION_ACTS
from bridge.skill import NAME, contents, install, skill


def test_an_installation_is_repeated_renewed_and_leaves_edits_alone(tmp_path: Path) -> None:
    target = tmp_path / "skills" / NAME
    old = contents(tmp_path)
    assert set(install(target, old).written) == set(old)
    assert (target / "scripts" / "start.sh").stat().st_mode & 0o111
    assert install(target, old).written == ()
    (target / "SKILL.md").write_text("my own words")
    newer = {**old, "SKILL.md": "newer", "scripts/end.sh": "#!/bin/sh\n"}
    done = install(target, newer)
    assert (done.written, done.edited) == (("scripts/end.sh",), ("SKILL.md",))
    assert (target / "SKILL.md").read_text() == "my own words"
    assert install(target, newer).edited == ("SKILL.md",), "still edited, whoever asks again"
    assert install(target, newer, force=True).written == ("SKILL.md",)
    assert install(target, {**newer, "SKILL.md": "newest"}).written == ("SKILL.md",)


def test_the_command_says_what_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    wish = parse(["skill", "install", "--project", str(tmp_path)])
    assert isinstance(wish, InstallSkill)
    assert skill(wish) == 0
    assert "8 files written" in capsys.readouterr().out
    (tmp_path / ".claude" / "skills" / NAME / "SKILL.md").write_text("mine")
    assert skill(wish) == 1
    assert "SKILL.md was edited" in capsys.readouterr().out
    wrong = parse(["skill", "install", "--project", str(tmp_path / "mistyped")])
    assert isinstance(wrong, InstallSkill)
    assert skill(wrong) == 2
    assert "There is no directory" in capsys.readouterr().err
    assert not (tmp_path / "mistyped").exists()
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / ".claude").write_text("")
    assert skill(InstallSkill(blocked, force=False)) == 1


def test_the_skill_has_claude_codes_form_and_names_scripts_and_tools_that_exist(tmp_path: Path) -> None:
    made = contents(tmp_path)
    head, _, text = made["SKILL.md"].removeprefix("---\n").partition("---\n")
    assert re.fullmatch(rf"name: {NAME}\ndescription: [^\n]{{40,1024}}\n", head)
    named = set(re.findall(r"scripts/(\w+)\.sh", text))
    assert named == {Path(name).stem for name in made if name.startswith("scripts/")}
    assert named <= set(SESSION_ACTS)
    assert str(tmp_path) in made["scripts/start.sh"]
