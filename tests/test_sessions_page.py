"""docs/sessions.md: each command in it exists, in Discord and in the terminal, and is understood as written."""

import re
from pathlib import Path

import pytest

import api as c
from console import commands as slash
from tests.bot.test_every_way import COMMANDS

PAGE = (Path(__file__).parents[1] / "docs" / "sessions.md").read_text(encoding="utf-8")
IN_DISCORD = set().union(*COMMANDS.values())
SPAN = re.compile(r"`(/[a-z][^`]*)`")
ROWS = [
    [cell.strip() for cell in line.strip("|").replace("\\|", "\0").split("|")]
    for line in PAGE.split("## A day and a week")[0].splitlines()
    if line.startswith("| ") and "---" not in line and line.count("|") >= 4
]
TYPED = sorted(
    {line.replace("\0", "|") for row in ROWS for line in SPAN.findall(row[2])} | {"/backup cleanup yes"}
)


def test_the_tree_has_the_four_parts_of_a_session() -> None:
    assert [row[0] for row in ROWS if row[0].startswith("**")] == [
        "**Begin**", "**During**", "**End**", "**Recover**"
    ]  # fmt: skip
    assert len(TYPED) > 12


@pytest.mark.parametrize("line", TYPED)
def test_each_line_of_the_terminal_is_understood(line: str) -> None:
    meaning = slash.parse_slash(line)
    assert meaning is not None
    assert not isinstance(meaning, slash.NotUnderstood), line
    if isinstance(meaning, slash.OfSession):
        assert not isinstance(meaning.make("id", "o"), c.RunCommand), "an unknown word would go to Claude"


def test_each_command_of_discord_exists() -> None:
    rest = re.sub("`/backup cleanup[^`]*`", "", PAGE.split("## A day and a week")[1])
    text = rest + " ".join(row[1] for row in ROWS)
    named = {" ".join(line[1:].split()[:2]) for line in SPAN.findall(text)}
    assert {each for each in named if each not in IN_DISCORD and each.split()[0] not in IN_DISCORD} == set()
