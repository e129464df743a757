"""`scripts/licences.py`: each run-time dependency states a licence, and none that would bind ours."""

import re
from pathlib import Path

import pytest

from scripts.licences import LOCK, main


def test_every_dependency_is_listed_with_a_licence_that_fits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = {line.split()[0] for line in lines}
    locked = set(re.findall(r"^([\w.-]+)==", LOCK.read_text(encoding="utf-8"), re.MULTILINE))
    assert listed <= locked
    assert {"aiohttp", "discord-py", "ptyprocess"} <= listed
    assert [line for line in lines if re.search(r"(?<![LM])\bA?GPL|UNKNOWN|states none", line)] == []


def test_what_states_none_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "nobody_knows-1.dist-info"
    site.mkdir()
    (site / "METADATA").write_text("Metadata-Version: 2.1\nName: nobody-knows\nVersion: 1\nLicense: UNKNOWN\n")
    monkeypatch.syspath_prepend(tmp_path)
    lock = tmp_path / "run.txt"
    lock.write_text("nobody-knows==1\nnot-installed-here==2\n")
    monkeypatch.setattr("scripts.licences.LOCK", lock)
    assert main([]) == 1
    assert capsys.readouterr().out.split() == ["nobody-knows", "1", "states", "none"]
