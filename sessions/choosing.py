"""Choose the model and the permission mode of a session, while its process lives or without one."""

from typing import Protocol

from sessions import events as e
from sessions.claude.launch import is_model_name
from sessions.control_requests import ControlRequests
from sessions.errors import IllegalMove, ModelRefused
from sessions.model import PermissionMode
from sessions.session_port import SessionPort
from sessions.topics import Topic

_ASKING_NOTHING = "Choosing a mode that asks nothing"


class ControlledHost(Protocol):
    """The host, as far as a choice needs it."""

    @property
    def control(self) -> ControlRequests: ...


class ChoosingSession(SessionPort, Protocol):
    """The session that the choice is for."""

    @property
    def run(self) -> ControlledHost | None: ...

    async def park_at_rest(self, what: str, cause: str) -> None:
        """End the process, keep the conversation. Raises `IllegalMove` if a turn runs or begins meanwhile."""
        ...


async def choose_model(session: ChoosingSession, model: str) -> None:
    """Use `model` from the next turn on. Raises `ModelRefused`; `ClaudeUnavailable` if the CLI refuses."""
    if not is_model_name(model):
        raise ModelRefused(model)
    # The CLI first: what it refuses is not stored. After a kill in between, the next `init` line tells.
    resolved = await session.run.control.set_model(model) if session.run is not None else model
    async with session.change() as draft:
        if draft.snapshot.model != resolved:
            draft.add(e.ModelChanged(resolved))
            if words := session.around.models.doubts(model):
                draft.add(e.Noticed(Topic.MODEL_UNLISTED, words))


async def choose_mode(session: ChoosingSession, mode: PermissionMode) -> None:
    """Change what Claude may do without asking. Raises `ClaudeUnavailable` if the CLI refuses it.

    A process takes `bypassPermissions` only at its start: an idle session is parked for it. Raises
    `IllegalMove` while a turn runs.
    """
    is_bypass = mode is PermissionMode.BYPASS and session.snapshot.mode is not mode
    if is_bypass and session.snapshot.current is not None:
        raise IllegalMove(_ASKING_NOTHING, "busy")
    if is_bypass:
        await session.park_at_rest(_ASKING_NOTHING, "it starts anew in the chosen mode")
    elif session.run is not None:
        await session.run.control.set_permission_mode(mode)
    async with session.change() as draft:
        # The CLI may have reported the mode already, in a status line.
        if draft.snapshot.mode is not mode:
            draft.add(e.ModeChanged(mode))
