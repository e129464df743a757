"""The seam for tools that Claude can call in its session: the values, and the port of whoever carries them out.

`sessions` offers the tools of one `Toolbox` to each process and brings its calls there. It does not know what a
tool means; `service/tools` does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from sessions.model import SessionId
from sessions.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as Claude sees it. `input_schema` is the JSON Schema of its arguments, an object."""

    name: str
    description: str
    input_schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call of a tool by the Claude of a session that `owner_id` owns.

    `arguments` are as Claude wrote them, not checked.
    `origin` names the call. After a crash the same call can be handed over again under the same origin: its act
    must then not be repeated.
    """

    session_id: SessionId
    owner_id: str
    origin: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolReply:
    """The answer for Claude: a text, which says in words what was wrong if `is_error`."""

    text: str
    is_error: bool = False


class Toolbox(Protocol):
    """A closed set of tools, and their meaning."""

    @property
    def tools(self) -> Sequence[Tool]:
        """All tools, always the same ones."""
        ...

    @property
    def instructions(self) -> str:
        """The text that tells Claude when to use the tools."""
        ...

    def for_run(self) -> "Toolbox":
        """Return the toolbox of a session in which a work-flow runs: these tools, and those for its answers."""
        ...

    async def use(self, use: ToolUse) -> ToolReply:
        """Carry out a call and return the answer. A refusal is an answer, too.

        Raises `StorageError` if the call should be handed over again later.
        """
        ...


class LateToolbox:
    """A toolbox that is made when the first process needs it: a start of the bridge needs none."""

    def __init__(self, make: Callable[[], Toolbox]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> Toolbox:
        return self._make()

    @property
    def tools(self) -> Sequence[Tool]:
        """See `Toolbox.tools`."""
        return self._made.tools

    @property
    def instructions(self) -> str:
        """See `Toolbox.instructions`."""
        return self._made.instructions

    def for_run(self) -> Toolbox:
        """See `Toolbox.for_run`."""
        return self._made.for_run()

    async def use(self, use: ToolUse) -> ToolReply:
        """See `Toolbox.use`."""
        return await self._made.use(use)


def toolbox_in(toolbox: Toolbox | None, snapshot: Snapshot) -> Toolbox | None:
    """Return the toolbox for a session in this state."""
    return toolbox.for_run() if toolbox is not None and snapshot.work_flow is not None else toolbox
