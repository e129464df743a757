"""A session as the API shows it: the field names of the owner's document, beside the core's exact values."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from api import SessionInfo, TurnPage, TurnView
from api.words.states import state_of
from sessions.model import Lifecycle, Text, TimeLeft


class SessionStatus(StrEnum):
    """A session's state in three words; `lifecycle` has the exact one."""

    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"


_STATUS: Mapping[Lifecycle, SessionStatus] = {
    Lifecycle.QUEUED: SessionStatus.ACTIVE,
    Lifecycle.STARTING: SessionStatus.ACTIVE,
    Lifecycle.LIVE: SessionStatus.ACTIVE,
    Lifecycle.STOPPING: SessionStatus.ACTIVE,
    Lifecycle.PARKED: SessionStatus.PAUSED,
    # Its next prompt starts it again, as that of a parked one does.
    Lifecycle.FAILED: SessionStatus.PAUSED,
    Lifecycle.ENDED: SessionStatus.COMPLETED,
}


class SessionProgress(msgspec.Struct, frozen=True, rename="camel"):
    """Steps done of Claude's own list, or of a work-flow's phases; `stage` is the phase's name then.

    `estimated_time_remaining` is a range in seconds with its basis; None without a basis or a running turn.
    `stage_progress` has the share done (0 to 1) of each stage by its name; without stages it is called `steps`.
    """

    total_steps: int = 0
    completed_steps: int = 0
    current_step_id: str = ""
    stage: str = ""
    estimated_time_remaining: TimeLeft | None = None
    stage_progress: Mapping[str, float] = {}


class Said(msgspec.Struct, frozen=True, rename="camel"):
    """One side of a turn: `role` is user or assistant."""

    role: str
    content: str
    turn_id: str
    at: str | None = None


class SessionView(msgspec.Struct, frozen=True, rename="camel"):
    """A session. Times are ISO 8601 in UTC.

    `conversation_history` holds the newest turns, oldest first; `before` asks for older ones. `user_inputs` and
    `agent_outputs` have the prompts and answers of the same turns by their ids. `current_step` counts the steps
    that are done. `core` has all values of the core.
    """

    id: str
    user_id: str
    workflow_id: str | None
    status: SessionStatus
    lifecycle: Lifecycle
    state: str
    title: str
    project: str
    current_agent: str
    current_step: int
    created_at: str
    last_active: str
    user_inputs: Mapping[str, str]
    agent_outputs: Mapping[str, str]
    conversation_history: tuple[Said, ...]
    before: int | None
    progress: SessionProgress
    core: SessionInfo


class SessionList(msgspec.Struct, frozen=True, rename="camel"):
    """Sessions, newest activity first; `cursor` asks for the next page and is empty on the last one."""

    sessions: tuple[SessionView, ...]
    cursor: str = ""


def session_view(info: SessionInfo, page: TurnPage | None = None) -> SessionView:
    """Return the session as the API shows it; without `page` it has no history. Pure."""
    turns = tuple(reversed(page.turns)) if page is not None else ()
    progress = _progress(info)
    history = tuple(said for turn in turns for said in _said(turn))
    return SessionView(
        id=info.id,
        user_id=info.user_id,
        workflow_id=info.work_flow.id if info.work_flow is not None else None,
        status=_STATUS[info.lifecycle],
        lifecycle=info.lifecycle,
        state=state_of(info.lifecycle, info.activity, info.blocker).value,
        title=info.title,
        project=info.project,
        current_agent=info.model or "claude",
        current_step=progress.completed_steps,
        created_at=iso(info.created_ms),
        last_active=iso(info.last_activity_ms),
        user_inputs={said.turn_id: said.content for said in history if said.role == "user"},
        agent_outputs={said.turn_id: said.content for said in history if said.role == "assistant"},
        conversation_history=history,
        before=page.before if page is not None else None,
        progress=progress,
        core=info,
    )


def _progress(info: SessionInfo) -> SessionProgress:
    steps = info.progress
    stages = {steps.stage or "steps": steps.done / steps.total} if steps.total else {}
    return SessionProgress(steps.total, steps.done, steps.current, steps.stage, steps.left, stages)


def _said(turn: TurnView) -> Sequence[Said]:
    stored = turn.turn
    said: list[Said] = []
    if stored.prompt:
        said.append(Said("user", stored.prompt, stored.id, iso(stored.queued_ms)))
    # What a subagent says is not Claude's answer.
    text = "\n\n".join(block.text for block in turn.contents if isinstance(block, Text) and not block.parent)
    if text:
        said.append(Said("assistant", text, stored.id, iso(stored.ended_ms) if stored.ended_ms else None))
    return said


def iso(at_ms: int) -> str:
    """Return a time as ISO 8601 in UTC, with milliseconds."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
