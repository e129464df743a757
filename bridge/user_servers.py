"""Read the names of the MCP servers of this machine's user, and say in which sessions they run."""

import json
from collections.abc import Mapping

from bridge.findings import Finding, ok
from sessions.claude.transcript import config_directory
from sessions.trust import UserServers

_WHERE = {
    UserServers.ALL: "run in all sessions",
    UserServers.ADMINS: "run in sessions that an admin owns, and in no others",
    UserServers.NONE: "run in no session",
}
_MOST_NAMES = 12


def user_servers(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the servers that a CLI with this environment reads for all projects, sorted."""
    config = config_directory(environment)
    # Without the variable the CLI keeps this file beside its `.claude` directory, not in it.
    directory = config if environment.get("CLAUDE_CONFIG_DIR") else config.parent
    try:
        state = json.loads((directory / ".claude.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return ()
    servers = state.get("mcpServers") if isinstance(state, dict) else None
    return tuple(sorted(map(str, servers))) if isinstance(servers, dict) else ()


def servers_sentence(names: tuple[str, ...], where: UserServers) -> str:
    """Return which servers run where, with the setting that decides it; empty if there are none."""
    if not names:
        return ""
    # Any program of this user can write that file, and the sentence goes to a terminal.
    shown = [name if name.isprintable() else ascii(name) for name in names[:_MOST_NAMES]]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    servers = f"The MCP servers of this machine's user ({', '.join(shown)}{more})"
    return f"{servers} {_WHERE[where]} (MCP_SERVERS={where.value})."


def servers_findings(environment: Mapping[str, str], where: UserServers) -> list[Finding]:
    """Return the line of `doctor` for the servers; none if there are no servers."""
    sentence = servers_sentence(user_servers(environment), where)
    return [ok("servers", sentence)] if sentence else []
