"""The picture of README.md: what the snapshots show, and nothing older."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from scripts.draw_conversation import DRAWN, PICTURE, SNAPSHOTS, main, picture

SNAPSHOT = """\
# Title (thread)
Bridge [bot, silent]:
  +--
  | ### Card
  | **State** <ready> & well
  | [Stop]  [Go on]
  +--
  Words with `code`.
  ```python
  if x:
      y = "<"
  ```
  -# small
  notifies: ann
"""


def test_the_picture_in_the_readme_is_the_one_of_todays_snapshots() -> None:
    assert main(["--check"]) == 0, "run scripts/draw_conversation.py"


def test_every_line_that_people_see_is_in_it_and_nothing_breaks_out() -> None:
    drawn = picture([SNAPSHOT])
    root = ET.fromstring(drawn)  # our own text, made just now
    texts = ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == [
        "# Title", "Bridge", "Card", "State <ready> & well", "Stop", "Go on", "Words with code.",
        "if x:", '    y = "<"', "small",
    ]  # fmt: skip


def test_it_is_drawn_from_snapshots_of_real_channels() -> None:
    assert all((SNAPSHOTS / f"{name}.txt").is_file() for name in DRAWN)
    assert "<script" not in PICTURE.read_text(encoding="utf-8")


def test_any_snapshot_can_be_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["a_question_that_waits", "--out", str(tmp_path / "seen.svg")]) == 0
    assert ET.parse(tmp_path / "seen.svg").getroot().tag.endswith("svg")
    for wrong in (["nothing", "--out", "x"], ["a_question_that_waits"]):
        with pytest.raises(SystemExit):
            main(wrong)
    assert "there are: a_coding_turn" in capsys.readouterr().err
