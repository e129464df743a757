"""A talk with the real CLI in parsed lines, started by a launch line of ours."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from sessions.claude import control
from sessions.claude.launch import (
    Fresh,
    LaunchLine,
    Start,
    argv,
    child_environment,
)
from sessions.claude.lines import (
    AskLine,
    CliLine,
    ControlFailed,
    ControlSucceeded,
    PermissionAsked,
    PlanAsked,
    QuestionAsked,
    ToolResults,
)
from sessions.claude.parse import parse
from tests.fakes.cli_home import CliHome, Line, StreamCli

ASKS = (PermissionAsked, QuestionAsked, PlanAsked)


class Talk(StreamCli):
    """A CLI that is started by our launch line and read with our parser."""

    def __init__(
        self,
        home: CliHome,
        start: Start,
        *,
        private: tuple[Path, ...] = (),
        mode: str = "default",
        uploads: Path | None = None,
    ) -> None:
        super().__init__(home)
        line = LaunchLine((str(home.binary),), start, private, permission_mode=mode, uploads=uploads)
        self._argv = list(argv(line))

    def parsed(self) -> list[CliLine]:
        return [parsed(line) for line in self.lines]

    async def expect(self, matches: Callable[[CliLine], bool]) -> CliLine:
        """The next line whose meaning matches."""
        return parsed(await self.line(lambda line: matches(parsed(line))))

    async def asked(self) -> AskLine:
        ask = await self.expect(lambda line: isinstance(line, ASKS))
        assert isinstance(ask, ASKS)
        return ask

    async def ask_of(self, prompt: str) -> AskLine:
        await self.send(control.user_message(str(uuid.uuid4()), prompt))
        return await self.asked()

    async def reply(self, request_id: str, line: bytes) -> ControlSucceeded | ControlFailed:
        await self.send(line)
        found = await self.expect(
            lambda line: isinstance(line, ControlSucceeded | ControlFailed) and line.request_id == request_id
        )
        assert isinstance(found, ControlSucceeded | ControlFailed)
        return found

    async def done(self, request_id: str, line: bytes) -> ControlSucceeded:
        found = await self.reply(request_id, line)
        assert isinstance(found, ControlSucceeded)
        return found

    async def prompt(self, text: str) -> str:
        """Send a prompt, wait for idle, return its uuid."""
        ident = str(uuid.uuid4())
        await self.send(control.user_message(ident, text))
        await self.idle()
        return ident

    def last_tool_text(self) -> str:
        found = [line for line in self.parsed() if isinstance(line, ToolResults)]
        return found[-1].results[-1].text


def parsed(line: Line) -> CliLine:
    return parse(json.dumps(line).encode())


def ours(home: CliHome, start: Start) -> CliHome:
    """`home` with the environment that a session's CLI would get."""
    return CliHome(home.binary, home.home, home.work, child_environment(home.environment, start=start))


def new_id() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def home(cli_home: CliHome) -> CliHome:
    return ours(cli_home, Fresh(new_id()))
