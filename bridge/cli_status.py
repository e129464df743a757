"""`status`: whether the bridge runs on this data directory, and the sessions that it has."""

import os
from functools import partial
from typing import Any

import msgspec

from api import QuerySessions, SessionInfo, SessionPage
from bridge.cli_core import finish, say_on_stderr, used_place
from bridge.control_client import connected
from bridge.control_socket import local_actor
from bridge.invocation import FAILED, OK, ShowStatus
from bridge.ownership import Owner, current_owner
from bridge.settings import Settings
from machine.own_command import typed_bridge
from sessions.errors import CoreLost

_SHOWN = 20
_KINDS = {"bot": "The bridge", "chat": "A chat", "script": "A script"}


def show_status(invocation: ShowStatus) -> int:
    """Print the status; return exit code 1 if nothing runs."""
    return finish(partial(_show, invocation))


async def _show(invocation: ShowStatus, settings: Settings) -> int:
    place = used_place(settings, demo=invocation.demo, say=say_on_stderr)
    data_dir = place.settings.data_dir
    owner = current_owner(data_dir)
    page, trouble = SessionPage(()), ""
    if owner is not None:
        try:
            async with connected(data_dir) as core:
                page = await core.perform(local_actor(), QuerySessions(limit=_SHOWN))
        except CoreLost as lost:
            # The owner is starting or ending: its recorded facts still hold.
            trouble = str(lost)
    if invocation.as_json:
        print(_as_json(owner, page, trouble))
    elif owner is not None:
        print(_as_text(owner, page, trouble))
    else:
        print(f"Nothing runs here. Start the bridge with: {typed_bridge()}{' --demo' * place.demo}")
    return FAILED if owner is None else OK


def _as_json(owner: Owner | None, page: SessionPage, trouble: str) -> str:
    known: dict[str, Any] = {"running": owner is not None, "sessions": page.sessions, "more": bool(page.cursor)}
    if owner is not None:
        known["owner"] = {"pid": owner.pid, "kind": owner.kind, "since": owner.since.isoformat()}
    if trouble:
        known["trouble"] = trouble
    return msgspec.json.encode(known).decode()


def _as_text(owner: Owner, page: SessionPage, trouble: str) -> str:
    sessions = page.sessions
    who = _KINDS.get(owner.kind, "A process")
    lines = [f"{who} runs (process {owner.pid}, since {owner.since:%Y-%m-%d %H:%M:%S} UTC)."]
    lines += [
        f"  {each.id}  {_state(each):<14} {each.list_mark}{each.title or 'no title'}" for each in sessions
    ]
    if page.cursor:
        lines.append("  … and older ones")
    if not sessions:
        lines.append(f"  {trouble or 'There are no sessions yet.'}")
    hint = next((each.terminal_hint for each in sessions if each.terminal_hint), "")
    if hint:
        lines.append(f"To look at Claude's processes: {hint}")
    return os.linesep.join(lines)


def _state(session: SessionInfo) -> str:
    return session.activity.value if session.lifecycle.value == "live" else session.lifecycle.value
