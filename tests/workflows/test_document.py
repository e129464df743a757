"""docs/workflows.md is true: its commands exist, its template is accepted, its bounds are the defaults."""

import re
from pathlib import Path

from api.run_model import Configuration
from bot.cogs.workflow import WorkflowCommands
from bridge.cli import parse
from bridge.workflow_arguments import ACTS, Workflow
from workflows.template import built_in, read_template

TEXT = (Path(__file__).parents[2] / "docs" / "workflows.md").read_text(encoding="utf-8")
VALUES = {"RUN": "3f9a", "REQUEST": "add it", "WORDS": "other words", "NUMBER": "2", "DIGEST": "0123"}


def test_every_typed_command_is_understood_and_none_is_missing() -> None:
    typed = re.findall(r"`claude-bridge (workflow [^`]+)`", TEXT)
    acts = set()
    for line in typed:
        words = [VALUES.get(word, word) for word in line.split()]
        invocation = parse(words)
        assert isinstance(invocation, Workflow)
        acts.add(invocation.act)
    assert acts == set(ACTS)


def test_every_command_of_discord_is_named_and_exists() -> None:
    named = set(re.findall(r"`/workflow ([a-z]+)`", TEXT))
    assert named == {each.name for each in WorkflowCommands.__cog_app_commands__}


def test_the_template_is_accepted_and_those_that_come_along_are_named() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    template = read_template("ours", example)
    assert [each.command for each in template.checks] == ["make test"]
    assert all(f"`{name}`" in TEXT for name in built_in())


def test_the_defaults_of_the_bounds_are_the_ones_that_hold() -> None:
    default = Configuration()
    rows = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \| `?(?:rounds|minutes|parallel)", TEXT, re.MULTILINE))
    assert list(rows.values()) == [
        str(default.max_iterations),
        str(default.timeout_s // 60),
        str(default.parallel),
    ]
