"""The tools for agents outside: find and read sessions, start one, prompt it, stop its turn.

An agent acts as the person whose login or token it uses, and none of its tools answers an ask.
"""

import asyncio
from contextlib import aclosing, suppress
from typing import Annotated

import msgspec

import api as c
from mcp_server.session_tools import ListedSession, listed
from mcp_server.tool import AnyTool, Arguments, Caller, ToolSpec, Words, one_line
from sessions.events import AskOpened, Numbered, TurnEnded
from sessions.model import AskStatus, Text, TurnId
from texts.unseen import as_seen

LONGEST_WAIT_S = 600
_MOST_ANSWER = 25_000
_MOST_PROMPT = 200_000

OneSession = Annotated[str, msgspec.Meta(max_length=64, description="The session's id.")]


class FindSessions(Arguments, frozen=True, kw_only=True):
    """Arguments of `find_sessions`."""

    text: Annotated[Words, msgspec.Meta(description="Words of the title. Empty: all sessions.")] = ""
    project: Words = ""
    include_ended: bool = False
    limit: Annotated[int, msgspec.Meta(ge=1, le=50)] = 20


class ReadSession(Arguments, frozen=True, kw_only=True):
    """Arguments of `read_session`."""

    session_id: OneSession
    turns: Annotated[int, msgspec.Meta(ge=1, le=20, description="How many of the last turns.")] = 3


class BeginSession(Arguments, frozen=True, kw_only=True):
    """Arguments of `start_session`."""

    title: Words = ""
    project: Annotated[Words, msgspec.Meta(description="A directory of the workspace, or empty.")] = ""


class SendPrompt(Arguments, frozen=True, kw_only=True):
    """Arguments of `send_prompt`."""

    session_id: OneSession
    prompt: Annotated[str, msgspec.Meta(min_length=1, max_length=_MOST_PROMPT)]
    wait_s: Annotated[
        int,
        msgspec.Meta(
            ge=0, le=LONGEST_WAIT_S, description="Seconds to wait for the answer. The turn goes on afterwards."
        ),
    ] = 120


class StopSession(Arguments, frozen=True, kw_only=True):
    """Arguments of `stop_session`."""

    session_id: OneSession


class FoundSessions(msgspec.Struct, frozen=True):
    """The answer of `find_sessions`."""

    sessions: tuple[ListedSession, ...]


class ShownTurn(msgspec.Struct, frozen=True):
    """A turn. `answer` has Claude's text, the newest part of it if it is long; tools are left out."""

    turn_id: str
    status: str
    prompt: str
    answer: str
    waits_for_a_person: bool = False


class ShownSession(msgspec.Struct, frozen=True):
    """The answer of `read_session`; turns oldest first."""

    session: ListedSession
    turns: tuple[ShownTurn, ...]


class StoppedTurn(msgspec.Struct, frozen=True):
    """The answer of `stop_session`."""

    was_running: bool


async def _find(caller: Caller, wish: FindSessions) -> FoundSessions:
    query = c.QuerySessions(
        text=one_line(wish.text),
        project=one_line(wish.project),
        include_ended=wish.include_ended,
        limit=wish.limit,
    )
    page = await caller.core.perform(caller.actor, query)
    return FoundSessions(tuple(map(listed, page.sessions)))


async def _read(caller: Caller, wish: ReadSession) -> ShownSession:
    info = await caller.core.perform(caller.actor, c.GetSession(session_id=wish.session_id))
    page = await caller.core.perform(caller.actor, c.ReadTurns(session_id=wish.session_id, limit=wish.turns))
    return ShownSession(listed(info), tuple(map(_shown, reversed(page.turns))))


async def _begin(caller: Caller, wish: BeginSession) -> ListedSession:
    # The place is not the agent's to choose: a session belongs to the channel that it names.
    command = c.CreateSession(
        channel_id=caller.place, title=one_line(wish.title), project=one_line(wish.project)
    )
    return listed(await caller.core.perform(caller.actor, command))


async def _prompt(caller: Caller, wish: SendPrompt) -> ShownTurn:
    core, actor = caller.core, caller.actor
    # Read before the prompt is sent: the wait begins at its last event, so even a short turn is not missed.
    info = await core.perform(actor, c.GetSession(session_id=wish.session_id))
    # An agent may pass on a text from elsewhere: characters that nobody sees could carry orders to Claude.
    send = c.SendMessage(session_id=info.id, content=as_seen(wish.prompt), origin=caller.origin)
    turn_id = (await core.perform(actor, send)).turn_id
    # Clients of MCP have deadlines of their own; the turn goes on, and the answer says how far it is.
    with suppress(TimeoutError):
        async with asyncio.timeout(wish.wait_s):
            await _settled(caller, info, turn_id)
    # As of now: the wait is long enough for the person to lose the right to see the answer.
    reader = await caller.source()
    return _shown(await core.perform(reader, c.ReadTurn(session_id=info.id, turn_id=turn_id)))


async def _settled(caller: Caller, info: c.SessionInfo, turn_id: TurnId) -> None:
    """Wait until the turn has ended, or waits for a person."""
    feed = caller.core.follow(caller.source, info.id, info.last_event)
    async with aclosing(feed) as items:
        async for item in items:
            if isinstance(item, Numbered):
                match item.event:
                    case TurnEnded(turn_id=ended) if ended == turn_id:
                        return
                    # None of these tools answers an ask: the agent has to tell its person.
                    case AskOpened(ask=ask) if ask.turn_id == turn_id:
                        return
                    case _:
                        pass


async def _stop(caller: Caller, wish: StopSession) -> StoppedTurn:
    stopped = await caller.core.perform(caller.actor, c.Interrupt(session_id=wish.session_id))
    return StoppedTurn(stopped.was_running)


def _shown(view: c.TurnView) -> ShownTurn:
    text = "\n\n".join(each.text for each in view.contents if isinstance(each, Text))
    return ShownTurn(
        turn_id=view.turn.id,
        status=view.turn.status.value,
        prompt=as_seen(view.turn.prompt)[:_MOST_ANSWER],
        # Its end says what came out, and all of it would fill the agent's context.
        answer=as_seen(text)[-_MOST_ANSWER:],
        waits_for_a_person=any(each.status is AskStatus.OPEN for each in view.asks),
    )


AGENT_TOOLS: tuple[AnyTool, ...] = (
    ToolSpec("find_sessions", "List the sessions that you may see.", FindSessions, _find, reads=True),
    ToolSpec("read_session", "Read a session: its state and its last turns.", ReadSession, _read, reads=True),
    ToolSpec("start_session", "Begin a session in a project. Returns its id.", BeginSession, _begin),
    ToolSpec(
        "send_prompt",
        "Send a prompt to a session and wait for the answer. If Claude waits for a person, say so to yours.",
        SendPrompt,
        _prompt,
    ),
    ToolSpec("stop_session", "Interrupt the running turn of a session.", StopSession, _stop),
)
