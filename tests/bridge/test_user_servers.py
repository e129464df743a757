"""The MCP servers of this machine's user are named at the first start after a change, and by doctor."""

import json
from dataclasses import replace  # noqa: TID251
from pathlib import Path

import pytest

from bridge.ownership import OwnerKind
from bridge.settings import SETTINGS, Settings
from bridge.settings_loading import settings_from
from bridge.user_servers import servers_findings, servers_sentence, user_servers
from bridge.wiring import CoreOptions, open_core
from sessions.trust import UserServers


def config(directory: Path, text: str) -> dict[str, str]:
    directory.mkdir(exist_ok=True)
    (directory / ".claude.json").write_text(text)
    return {"CLAUDE_CONFIG_DIR": str(directory)}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('{"mcpServers": {"mail": {}, "cal": {}}}', ("cal", "mail")),
        ('{"mcpServers": {"cal\\u001b[31m": {}}}', ("cal\x1b[31m",)),
        ('{"mcpServers": []}', ()),
        ("[]", ()),
        ("{", ()),
    ],
)
def test_names_are_read_from_the_file_of_the_cli(tmp_path: Path, text: str, names: tuple[str, ...]) -> None:
    environment = config(tmp_path, text)
    assert user_servers(environment) == names
    assert user_servers({"HOME": str(tmp_path)}) == names, "without CLAUDE_CONFIG_DIR it lies in the home"
    assert "\x1b" not in servers_sentence(names, UserServers.ALL)
    assert bool(servers_findings(environment, UserServers.NONE)) is bool(names)


async def test_a_start_names_them_once_and_again_when_they_or_the_setting_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name.upper(), raising=False)
    paths = {"data_dir": tmp_path / "data", "workspace_root": tmp_path / "ws"}
    settings = settings_from({name: str(path) for name, path in paths.items()})
    environment = config(tmp_path / "claude", json.dumps({"mcpServers": {"mail": {}}}))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", environment["CLAUDE_CONFIG_DIR"])

    async def said_by(settings: Settings) -> list[str]:
        said: list[str] = []
        async with open_core(settings, CoreOptions(OwnerKind.BOT, say=said.append)):
            return [each for each in said if "MCP" in each]

    (first,) = await said_by(settings)
    assert "(mail) run in sessions that an admin owns" in first
    assert await said_by(settings) == []
    everybody = replace(settings, mcp_servers=UserServers.ALL)
    assert [each.partition("(MCP_")[2] for each in await said_by(everybody)] == ["SERVERS=all)."]
