"""`status`: whether the bridge runs on this data directory, and the sessions that it has."""

import os
from functools import partial
from typing import Any

import msgspec

from bridge.cli import FAILED, OK, ShowStatus
from bridge.cli_core import demo_or_not, finish
from bridge.control_client import connected
from bridge.control_socket import local_actor
from bridge.ownership import Owner, current_owner
from bridge.settings import Settings
from sessions.commands import QuerySessions, SessionInfo
from sessions.errors import CoreLost

_SHOWN = 20
_KINDS = {"bot": "The bridge", "chat": "A chat", "script": "A script"}


def show_status(invocation: ShowStatus) -> int:
    """Print it; the exit code is 1 if nothing runs."""
    return finish(partial(_show, invocation))


async def _show(invocation: ShowStatus, settings: Settings) -> int:
    data_dir = demo_or_not(settings, demo=invocation.demo).data_dir
    owner = current_owner(data_dir)
    sessions: tuple[SessionInfo, ...] = ()
    trouble = ""
    if owner is not None:
        try:
            async with connected(data_dir) as core:
                page = await core.perform(local_actor(), QuerySessions(limit=_SHOWN))
                sessions = page.sessions
        except CoreLost as lost:
            trouble = str(
                lost
            )  # it is only starting, or ends just now: what is known of the owner is still true
    print((_as_json if invocation.as_json else _as_text)(owner, sessions, trouble))
    return FAILED if owner is None else OK


def _as_json(owner: Owner | None, sessions: tuple[SessionInfo, ...], trouble: str) -> str:
    known: dict[str, Any] = {"running": owner is not None, "sessions": sessions}
    if owner is not None:
        known["owner"] = {"pid": owner.pid, "kind": owner.kind, "since": owner.since.isoformat()}
    if trouble:
        known["trouble"] = trouble
    return msgspec.json.encode(known).decode()


def _as_text(owner: Owner | None, sessions: tuple[SessionInfo, ...], trouble: str) -> str:
    if owner is None:
        return "Nothing runs here. Start the bridge with: claude-bridge"
    who = _KINDS.get(owner.kind, "A process")
    lines = [f"{who} runs (process {owner.pid}, since {owner.since:%Y-%m-%d %H:%M:%S} UTC)."]
    lines += [f"  {each.id}  {_state(each):<14} {each.title or 'no title'}" for each in sessions]
    if not sessions:
        lines.append(f"  {trouble or 'There are no sessions yet.'}")
    hint = next((each.terminal_hint for each in sessions if each.terminal_hint), "")
    if hint:
        lines.append(f"To look at Claude's processes: {hint}")
    return os.linesep.join(lines)


def _state(session: SessionInfo) -> str:
    return session.activity.value if session.lifecycle.value == "live" else session.lifecycle.value
