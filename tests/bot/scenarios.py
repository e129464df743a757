"""Scenarios whose channels are kept as text in `snapshots/`; `@scenario` lists one."""

from collections.abc import Awaitable, Callable

from sessions.model import (
    PermissionBody,
    Suggestion,
    ToolCall,
    ToolOutput,
)
from tests.bot.room import Room

Scenario = Callable[[Room], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}


def scenario(play: Scenario) -> Scenario:
    SCENARIOS[play.__name__] = play
    return play


def call(number: int, name: str, **given: object) -> ToolCall:
    return ToolCall(f"t{number}", name, given)


def done(number: int, text: str = "", **more: object) -> ToolOutput:
    return ToolOutput(f"t{number}", text, **more)  # type: ignore[arg-type]  # the fields by name


NPM = PermissionBody(
    "Bash",
    "t1",
    {"command": "npm install --save-dev jest@29\nnpm test -- --watch=false"},
    description="Install the test runner and run the tests",
    reason="The command can change files outside of the project",
    suggestions=(Suggestion({}, "Always allow Bash(npm install *) in this project"),),
)
