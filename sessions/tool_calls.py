"""Serves the calls of one process to tools of ours: a call becomes a row, is carried out, and is answered once.

The row is stored together with the offset of the call's line, and goes together with the line of the answer. So
a call that came while the bridge was away, or that it had begun when it was killed, is served by the next one.
Calls are carried out one after the other.
"""

import asyncio
import json
import logging
from collections import deque
from functools import partial

from sessions.claude.control_lines import ToolCallCancelled, ToolCalled, ToolServerLine
from sessions.draft import Draft
from sessions.retry_until_stored import until_stored
from sessions.rows import tool_calls as rows
from sessions.rows.tool_calls import OpenToolCall
from sessions.session_port import SessionPort
from sessions.tools import Toolbox, ToolReply, ToolUse, toolbox_in
from storage import StorageError

log = logging.getLogger(__name__)

MOST_ARGUMENT_BYTES = 64 * 1024
MOST_REPLY_CHARS = 30_000
MOST_OPEN = 32
MOST_A_MINUTE = 60
"""A session in a loop must not fill the disk: more calls are refused without being carried out."""

_OFF = ToolReply("The bridge offers no tools now.", is_error=True)
_TOO_LONG = ToolReply("The arguments are too long. Write less.", is_error=True)
_TOO_MANY = ToolReply("Too many calls. Wait a minute, then try again.", is_error=True)
_BROKE = ToolReply("The call failed because of a defect of the bridge. Go on without it.", is_error=True)


class ToolCalls:
    """The calls of one host. `run` is the task that carries them out."""

    def __init__(self, session: SessionPort, host: int) -> None:
        self._session = session
        self._host = host
        self._news = asyncio.Event()
        self._recent: deque[float] = deque(maxlen=MOST_A_MINUTE)
        self._open = 0
        self._uncommitted: set[int] = set()

    def take(self, draft: Draft, line: ToolServerLine, at: int) -> None:
        """Answer `line` with the change, or store the call for later. `at`: its place in the log."""
        driver, toolbox = self._session.around.driver, self._toolbox()
        match line:
            case ToolCalled():
                refusal = _OFF if toolbox is None else self._refusal(line, at)
                if refusal is not None:
                    draft.send(line.request_id, driver.answer_tool(line.request_id, line.rpc_id, refusal))
                    return
                self._count(at)
                draft.extra.append(rows.insert_tool_call(self._session.id, self._host, OpenToolCall(at, line)))
            case _:
                if isinstance(line, ToolCallCancelled):
                    draft.extra.append(rows.delete_cancelled_call(self._session.id, self._host, line.rpc_id))
                draft.send(line.request_id, driver.answer_server(line, toolbox))

    def committed(self) -> None:
        """Note that the change is stored: what it took can be carried out."""
        # Only after the commit: `run` reads the rows, and would not find the call before.
        if self._uncommitted:
            self._uncommitted.clear()
            self._news.set()

    async def run(self) -> None:
        """Carry out calls as they come, those of the last bridge first. Never returns by itself."""
        if self._session.around.tools is None:
            return
        while True:
            self._news.clear()
            waiting = await until_stored(self._load)
            self._open = len(waiting)
            if waiting:
                # Only the oldest: a call behind it may be cancelled meanwhile.
                await until_stored(partial(self._serve, waiting[0]))
            else:
                await self._news.wait()

    def _toolbox(self) -> Toolbox | None:
        return toolbox_in(self._session.around.tools, self._session.snapshot)

    async def _load(self) -> list[OpenToolCall]:
        return await rows.load_tool_calls(self._session.around.db, self._session.id, self._host)

    async def _serve(self, call: OpenToolCall) -> None:
        reply = await self._use(call)
        called = call.called
        async with self._session.change() as draft:
            # The CLI may have cancelled the call meanwhile, or its process may have ended.
            if call.at in {each.at for each in await self._load()}:
                # In one transaction: killed before it, the call is carried out again under its old origin;
                # after it, the answer is a row.
                draft.extra.append(rows.delete_tool_call(self._session.id, self._host, call.at))
                line = self._session.around.driver.answer_tool(called.request_id, called.rpc_id, reply)
                draft.send(called.request_id, line)

    async def _use(self, call: OpenToolCall) -> ToolReply:
        toolbox, called = self._toolbox(), call.called
        if toolbox is None:
            return _OFF
        # Claude's id of the call is the better name: it stays if the CLI sends the call once more.
        origin = called.tool_use_id or f"{self._host}:{called.request_id}"
        try:
            owner = self._session.snapshot.user_id
            use = ToolUse(self._session.id, owner, origin, called.name, called.arguments)
            reply = await toolbox.use(use)
        except StorageError:
            # `until_stored` hands the call over again. If its act was stored already, the origin tells.
            raise
        except Exception:
            log.exception("tool broke", extra={"session": self._session.id, "tool": called.name[:60]})
            return _BROKE
        return ToolReply(reply.text[:MOST_REPLY_CHARS], reply.is_error)

    def _count(self, at: int) -> None:
        """Count a call, once: a refused commit is tried again, and takes the same call once more."""
        if at not in self._uncommitted:
            self._uncommitted.add(at)
            self._recent.append(self._session.around.clock.monotonic())
            self._open += 1

    def _refusal(self, line: ToolCalled, at: int) -> ToolReply | None:
        if len(json.dumps(dict(line.arguments))) > MOST_ARGUMENT_BYTES:
            return _TOO_LONG
        if at in self._uncommitted:
            return None
        now = self._session.around.clock.monotonic()
        is_fast = len(self._recent) == MOST_A_MINUTE and now - self._recent[0] < 60
        if is_fast or self._open >= MOST_OPEN:
            return _TOO_MANY
        return None
