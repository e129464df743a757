"""What a typed line means."""

import pytest

from console import commands as s
from sessions.model import PermissionMode


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("/help", s.Help()),
        (" /quit ", s.Quit()),
        ("/exit", s.Quit()),
        ("/stop", s.StopTurn()),
        ("/sessions", s.ListSessions()),
        ("/switch 2", s.SwitchTo("2")),
        ("/new", s.NewSession("")),
        ("/new  shop/api ", s.NewSession("shop/api")),
        ("/rename A  title", s.RenameSession("A  title")),
        ("/model opus", s.ChooseModel("opus")),
        ("/mode ACCEPTEDITS", s.ChooseMode(PermissionMode.ACCEPT_EDITS)),
        ("/continue", s.GoOn()),
        ("/retry", s.AskAgain()),
        ("/compact keep\nthe plan", s.ClaudeCommand("compact", "keep\nthe plan")),
        ("/mcp__server:tool x", s.ClaudeCommand("mcp__server:tool", "x")),
        ("/etc/hosts is odd", None),
        ("/", None),
        ("// a comment", None),
        ("hello /help", None),
        ("", None),
    ],
)
def test_a_slash_line_means_what_help_says(line: str, meaning: s.SlashCommand | None) -> None:
    assert s.parse_slash(line) == meaning


@pytest.mark.parametrize("line", ["/switch", "/rename", "/model", "/mode", "/mode wild"])
def test_what_lacks_something_is_answered_with_a_sentence(line: str) -> None:
    assert isinstance(s.parse_slash(line), s.NotUnderstood)


def test_hints_are_the_commands_that_may_be_meant() -> None:
    assert s.hints("/mo") == ["/model NAME", next(usage for usage in s.GUIDE if usage.startswith("/mode "))]
    assert s.hints("/model opus") == s.hints("words") == []


def test_every_command_of_the_guide_is_known() -> None:
    unknown = [usage for usage in s.GUIDE if isinstance(s.parse_slash(usage.split()[0]), s.ClaudeCommand)]
    assert unknown == []
