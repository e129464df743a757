"""The real CLI's tools keep what the settings promise: secrets, private files, and untrusted projects."""

import json
from pathlib import Path
from typing import Any

import pytest

from sessions.claude import answers, control
from sessions.claude.launch import (
    Fresh,
)
from sessions.claude.lines import (
    PermissionAsked,
    ToolResults,
)
from tests.fakes.cli_home import CliHome
from tests.sessions.claude.real_cli_talk import Talk, home, new_id

__all__ = ["home"]

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(240)]


@pytest.fixture
def private(home: CliHome) -> Path:
    """A private directory, secrets around the work directory, and links to them."""
    data = home.home / "bridge data"
    data.mkdir()
    (home.work / "sub").mkdir()
    for path in (data / "log.txt", home.work / ".env", home.work / "sub" / ".env.local", home.home / ".env"):
        path.write_text("SENTINEL\n")
    (home.work / ".env.example").write_text("EXAMPLE\n")
    (home.work / "link").symlink_to(home.work / ".env")
    (home.work / "door").symlink_to(data)
    return data


def tool(name: str, **given: str) -> str:
    return f"demo:tool {name} {json.dumps(given)}"


async def test_tools_cannot_read_secrets_nor_touch_the_private_directory(home: CliHome, private: Path) -> None:
    work, data = str(home.work), str(private)
    bash = [
        "cat .env",
        f"cat {work}/.env",
        "head -1 sub/.env.local",
        "grep S link",
        "cat < .env",
        "cp .env copy.txt",
        "base64 .env",
        "git diff --no-index /dev/null .env",
        f"cat '{data}/log.txt'",
        "cat door/log.txt",
        f"echo x > '{data}/new.txt'",
        f"cd '{data}' && cat log.txt",
        f"rm '{data}/log.txt'",
        f"ls '{data}'",
    ]
    prompts = [
        tool("Read", file_path=f"{work}/.env"),
        tool("Read", file_path=f"{work}/sub/.env.local"),
        tool("Read", file_path=str(home.home / ".env")),
        tool("Read", file_path=f"{work}/link"),
        tool("Read", file_path=f"{data}/log.txt"),
        tool("Read", file_path=f"{work}/door/log.txt"),
        tool("Write", file_path=f"{data}/new.txt", content="x"),
        tool("Write", file_path=f"{work}/door/new.txt", content="x"),
        tool("Write", file_path=f"{work}/.env", content="x"),
        tool("Edit", file_path=f"{data}/log.txt", old_string="SENTINEL", new_string="x"),
        *(tool("Bash", command=command, description="a test") for command in bash),
    ]
    async with Talk(home, Fresh(new_id()), private=(private,), mode="acceptEdits") as cli:
        for prompt in prompts:
            await cli.prompt(prompt)
            assert "denied" in cli.last_tool_text() or "deny" in cli.last_tool_text(), prompt
        assert [line for line in cli.parsed() if isinstance(line, PermissionAsked)] == []
        assert "SENTINEL" not in str([line for line in cli.parsed() if isinstance(line, ToolResults)])
        await cli.prompt(tool("Read", file_path=f"{work}/.env.example"))
        assert "EXAMPLE" in cli.last_tool_text()
    assert [path.name for path in private.iterdir()] == ["log.txt"]
    assert (private / "log.txt").read_text() == "SENTINEL\n"


async def test_tools_read_the_uploads_of_their_session_and_nothing_else_in_the_private_directory(
    home: CliHome, private: Path
) -> None:
    own, other = new_id(), new_id()
    uploads = private / "run" / own / "uploads"
    files = ("1/a.txt", "2/CLAUDE.md")
    hidden = [
        *(f"run/{own}/{name}" for name in ("1/input.ndjson", "uploadsX/a.txt", "upload", "launch.json", ".x")),
        *(f"run/{name}" for name in ("control.key", "ru", f"{other}/uploads/1/a.txt", f"{other}/1/x", ".k")),
        *("sessions.log", "log.txt", "r", "runs/x", "rux/x", "transcripts/x.jsonl", ".hidden"),
    ]
    for path in [*(uploads / name for name in files), *(private / name for name in hidden)]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("SENTINEL\n" if path.is_relative_to(uploads) is False else "UPLOADED\n")
    async with Talk(home, Fresh(new_id()), private=(private,), uploads=uploads) as cli:
        for prompt in (
            *(tool("Read", file_path=str(private / name)) for name in hidden),
            *(tool("Read", file_path=f"{home.work}/door/{name}") for name in hidden),
            tool("Write", file_path=str(uploads / "1/new.txt"), content="x"),
            tool("Edit", file_path=str(uploads / "1/a.txt"), old_string="UPLOADED", new_string="x"),
            tool("Bash", command=f"cat '{private}/sessions.log'", description="a test"),
        ):
            await cli.prompt(prompt)
            assert "denied" in cli.last_tool_text() or "deny" in cli.last_tool_text(), prompt
        await cli.prompt(tool("Read", file_path=str(uploads / "1/a.txt")))
        assert "UPLOADED" in cli.last_tool_text()
        await cli.prompt(tool("Bash", command=f"cat '{uploads}/1/a.txt'", description="a test"))
        assert "UPLOADED" in cli.last_tool_text()
        assert [line for line in cli.parsed() if isinstance(line, PermissionAsked)] == []
        assert "SENTINEL" not in str([line for line in cli.parsed() if isinstance(line, ToolResults)])
    assert (uploads / "1/a.txt").read_text() == "UPLOADED\n"


async def test_what_rules_cannot_stop_is_known(home: CliHome, private: Path) -> None:
    async with Talk(home, Fresh(new_id()), private=(private,)) as cli:
        for command, asks in (
            # Known holes, kept here so that an update of the CLI that closes or widens one is noticed.
            ("cat .en*", False),
            ("grep -r SENTINEL .", False),
            ("python3 -c \"print(open('.env').read())\"", True),
        ):
            await cli.send(control.user_message(new_id(), tool("Bash", command=command, description="a test")))
            line = await cli.expect(lambda line: isinstance(line, PermissionAsked | ToolResults))
            assert isinstance(line, PermissionAsked) == asks, command
            if isinstance(line, PermissionAsked):
                await cli.send(answers.deny(line.request_id, "enough"))
            await cli.idle()


async def test_an_untrusted_project_runs_no_hook_and_no_server(home: CliHome) -> None:
    (home.work / ".claude").mkdir()
    for event, name in (("SessionStart", "hook-ran"), ("UserPromptSubmit", "hook-ran")):
        hook = {"type": "command", "command": f"touch {home.home / name}"}
        settings: dict[str, Any] = {"hooks": {event: [{"hooks": [hook]}]}}
        (home.work / ".claude" / "settings.json").write_text(json.dumps(settings))
    server = {"command": "touch", "args": [str(home.home / "server-ran")]}
    (home.work / ".mcp.json").write_text(json.dumps({"mcpServers": {"evil": server}}))
    async with Talk(home, Fresh(new_id())) as cli:
        await cli.prompt("demo:text hello")
    assert sorted(path.name for path in home.home.iterdir() if path.name.endswith("-ran")) == []
