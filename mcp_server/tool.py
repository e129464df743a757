"""A tool: its name, its arguments as a type, and what it does through `Core`. Nothing here knows MCP's wire.

Arguments come from a model, so everything about them is checked here: their types, their length, the characters
that nobody sees.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from api.access import Actor, ActorSource, unchanging
from api.core import Core
from sessions.errors import UNSEEN, SessionError
from sessions.tools import Tool, ToolReply
from texts.unseen import as_seen

MOST_WORDS = 200
MOST_TEXT = 20_000

Words = Annotated[str, msgspec.Meta(max_length=MOST_WORDS)]
"""A line of text, such as a title."""
LongText = Annotated[str, msgspec.Meta(max_length=MOST_TEXT)]

_NO_SESSION = "There is no such session; it may have been cleared."
_SPACES = re.compile(r"\s+")


# Unknown arguments are refused: dropped silently, a model would believe that they counted.
class Arguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the arguments of all tools."""


class ToolRefused(Exception):
    """The call cannot be carried out; the message is a sentence for the agent that made it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a tool, and the place of the call.

    `session_id` is the session that the caller is in; empty for an agent outside. `origin` names the call: the
    same call made once more has the same one. `place` is the place of sessions that the caller begins.
    `who` tells who the actor is now, for tools that wait; None if the actor's role cannot change.
    """

    core: Core
    actor: Actor
    session_id: str = ""
    origin: str = ""
    place: str = "mcp"
    who: ActorSource | None = None

    @property
    def source(self) -> ActorSource:
        """The actor as of now."""
        return self.who or unchanging(self.actor)


A = TypeVar("A", bound=Arguments)


@dataclass(frozen=True, slots=True)
class ToolSpec(Generic[A]):
    """A tool. `act` returns a value that becomes JSON, and raises `ToolRefused` or a `SessionError`."""

    name: str
    about: str
    arguments: type[A]
    act: Callable[[Caller, A], Awaitable[msgspec.Struct]]
    reads: bool = False
    """Whether it changes nothing."""

    def shown(self, *, without: Sequence[str] = ()) -> Tool:
        """Return the tool as agents see it, `without` some of its arguments."""
        schema = schema_of(self.arguments)
        for each in without:
            schema["properties"].pop(each, None)
        return Tool(self.name, self.about, schema)


AnyTool = ToolSpec[Any]


def by_name(tools: Sequence[AnyTool]) -> dict[str, AnyTool]:
    """Return the tools by their names."""
    return {tool.name: tool for tool in tools}


async def call_tool(
    tools: Mapping[str, AnyTool], caller: Caller, name: str, arguments: Mapping[str, Any]
) -> ToolReply:
    """Carry out a call and return its answer. A refusal is an answer, too. Raises `StorageError`."""
    tool = tools.get(name)
    if tool is None:
        return ToolReply("There is no tool of this name.", is_error=True)
    try:
        # Strict: a model that sends a number as a text is told so, and nothing is guessed.
        given = msgspec.convert(dict(arguments), tool.arguments)
    except msgspec.ValidationError as error:
        return ToolReply(f"The arguments do not fit: {error}", is_error=True)
    try:
        return ToolReply(msgspec.json.encode(await tool.act(caller, given)).decode())
    except UNSEEN:
        # A missing session and somebody else's get the same answer.
        return ToolReply(_NO_SESSION, is_error=True)
    except (SessionError, ToolRefused) as error:
        return ToolReply(str(error), is_error=True)


def schema_of(arguments: type[Arguments]) -> dict[str, Any]:
    """Return the JSON Schema of a type of arguments, without references."""
    _, parts = msgspec.json.schema_components([arguments])
    schema: dict[str, Any] = parts[arguments.__name__]
    # Title and docstring are about our code; the tool's own words tell agents what it does.
    return {key: value for key, value in schema.items() if key not in ("title", "description")}


def one_line(text: str) -> str:
    """Return `text` as one line without characters that nobody sees."""
    return _SPACES.sub(" ", as_seen(text)).strip()
