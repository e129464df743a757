"""One example of every command of the API: what tests of "all commands" go through."""

from typing import Any, get_args

import msgspec

import api as c
from sessions.model import Allow, PermissionMode, ShareLevel, Trust
from sessions.restore_scope import RestoreScope
from workdirs.merge_choices import Strategy

ALL: tuple[type[c.Command[Any]], ...] = (*get_args(c.AnyCommand), *get_args(c.FilesCommand))
OF_ONE_SESSION: tuple[type[c.Command[Any]], ...] = (*get_args(c.AnySessionCommand), *get_args(c.FilesCommand))
OF_ONE_RUN: tuple[type[c.Command[Any]], ...] = get_args(c.AnyRunCommand)

_REQUIRED: dict[str, Any] = {
    "text": "hello",
    "page_id": "no-such-page",
    "rule": c.CleanupRule(),
    "template_id": "no-such-template",
    "token": "no-such-token",
    "arguments": "",
    "on": True,
    "ask_id": "no-such-ask",
    "channel_id": "c",
    "checkpoint_id": "no-such-checkpoint",
    "comment_id": "no-such-comment",
    "line": 1,
    "content": "hello",
    "conversation_id": "01890000-0000-7000-8000-00000000000c",
    "data": b"{}",
    "decision": Allow(),
    "daily_id": "1a2b3c4d",
    "digest": "0123456789abcdef",
    "door": "use_the_bot",
    "focus": "A focus",
    "folder": "7",
    "grantee": "discord:7",
    "key": "key",
    "level": ShareLevel.VIEW,
    "mode": PermissionMode.PLAN,
    "model": "opus",
    "name": "compact",
    "after": 0,
    "allow": True,
    "backup_id": "daily/2026-01-31",
    "ordinal": 0,
    "origin": "an origin",
    "project": "default",
    "path": "a.txt",
    "rule_id": 7,
    "message": "a commit",
    "note": "other words",
    "request": "Add a function.",
    "run_id": "01890000-0000-7000-8000-00000000000a",
    "task_id": "1",
    "tasks": (),
    "scope": RestoreScope.EVERYTHING,
    "trust": Trust.CLOSED,
    "session_id": "01890000-0000-7000-8000-000000000001",
    "session_ids": ("01890000-0000-7000-8000-000000000001",),
    "strategy": Strategy.SQUASH,
    "title": "A title",
    "turn_id": "no-such-turn",
    "turn_ids": ("no-such-turn", "nor-this-one"),
}


def example(kind: type[c.Command[Any]], **facts: Any) -> c.Command[Any]:
    """A command of this kind; `facts` are set where it has such fields, the others have values that pass."""
    fields = msgspec.structs.fields(kind)
    values = {each.name: _REQUIRED[each.name] for each in fields if each.required and each.name not in facts}
    values |= {each.name: facts[each.name] for each in fields if each.name in facts}
    return kind(**values)


def of_session(session_id: str) -> list[c.Command[Any]]:
    """Every command about one session, about this one."""
    return [example(kind, session_id=session_id) for kind in OF_ONE_SESSION]
