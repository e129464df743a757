"""Requests to a running CLI and their answers: interrupt, model, mode, context, rewinding.

A request is a durable line like any other, but the wait for its answer is not: a restart ends the wait.
"""

import asyncio
import uuid
from collections.abc import Callable

from machine.awake_timeout import awake_timeout
from sessions.claude.control import (
    ContextUsage,
    FilesKept,
    FilesRewound,
    NotRewound,
    Rewound,
    context_usage,
    files_outcome,
    rewind_outcome,
    server_troubles,
    side_answer,
    title_of,
)
from sessions.claude.lines import ControlFailed, ControlSucceeded
from sessions.errors import ClaudeUnavailable, IllegalMove
from sessions.model import PermissionMode
from sessions.session_port import SessionPort

_Reply = asyncio.Future[ControlSucceeded | ControlFailed]


class ControlRequests:
    """The open requests to one host. Every method raises `ClaudeUnavailable` as `request` does."""

    def __init__(self, session: SessionPort) -> None:
        self._session = session
        self._driver = session.around.driver
        self._waiting: dict[str, _Reply] = {}
        self._interrupts = 0

    @property
    def is_waiting(self) -> bool:
        """Whether somebody waits for an answer."""
        return bool(self._waiting)

    @property
    def interrupting(self) -> bool:
        """Whether an interrupt is on its way to the CLI and not answered yet."""
        return self._interrupts > 0

    async def request(
        self, build: Callable[[str], bytes], *, timeout_s: float | None = None
    ) -> ControlSucceeded:
        """Send a control request and return its answer.

        Raises `ClaudeUnavailable` if the CLI refuses, does not answer within `timeout_s`, or ends.
        """
        request_id = str(uuid.uuid4())
        reply: _Reply = asyncio.get_running_loop().create_future()
        # Before the line goes out: its answer may be read before `change` returns.
        self._waiting[request_id] = reply
        try:
            async with self._session.change() as draft:
                draft.send(request_id, build(request_id))
            # A standstill of the bridge does not count: the answer may lie in the log, unread.
            async with awake_timeout(timeout_s or self._session.around.patience.request_s):
                answer = await reply
        except TimeoutError:
            raise ClaudeUnavailable("Claude did not answer in time; try again, or stop the session.") from None
        finally:
            self._waiting.pop(request_id, None)
        if isinstance(answer, ControlFailed):
            raise ClaudeUnavailable("Claude refused this; it may not be possible in this state.")
        return answer

    def resolve(self, line: ControlSucceeded | ControlFailed) -> None:
        """Pass an answer to its request. Call it once all lines before the answer are stored."""
        reply = self._waiting.get(line.request_id)
        # The caller may be gone: it was cancelled, or its time was over.
        if reply is not None and not reply.done():
            reply.set_result(line)

    def abandon(self) -> None:
        """Fail all open requests: the host has ended."""
        for request_id, reply in self._waiting.items():
            if not reply.done():
                # Not as an exception: asyncio logs one that nobody retrieves.
                reply.set_result(ControlFailed(request_id, "the process ended"))

    async def interrupt(self) -> None:
        """Interrupt the running turn. The process stays, and Claude keeps its words so far."""
        # A counter, since two people may stop at once. Until all are answered, no ask takes an answer.
        self._interrupts += 1
        try:
            await self.request(self._driver.interrupt)
        finally:
            self._interrupts -= 1

    async def cancel_prompt(self, prompt_uuid: str) -> None:
        """Withdraw a prompt that the CLI has queued. A prompt that it has begun stays."""
        await self.request(lambda request_id: self._driver.cancel_prompt(request_id, prompt_uuid))

    async def set_model(self, model: str) -> str:
        """Switch the model and return its full name. The CLI may test it with a short call to the API."""
        answer = await self.request(lambda request_id: self._driver.set_model(request_id, model))
        return str(answer.response.get("model") or model)

    async def set_permission_mode(self, mode: PermissionMode) -> None:
        """Switch the permission mode from now on."""
        await self.request(lambda request_id: self._driver.set_permission_mode(request_id, mode))

    async def server_troubles(self) -> dict[str, str]:
        """Ask the CLI why MCP servers failed: the cause by the server's name."""
        return server_troubles(await self.request(self._driver.ask_for_servers))

    async def measure_context(self) -> ContextUsage:
        """Ask the CLI how full the context is, and return its answer."""
        return context_usage(await self.request(self._driver.measure_context))

    async def generate_title(self, description: str) -> str:
        """Ask Claude for a title of the conversation, made of `description`; it may be empty."""
        return title_of(await self.request(lambda id_: self._driver.generate_title(id_, description)))

    async def ask_beside(self, question: str, *, timeout_s: float) -> str:
        """Ask Claude beside the conversation, which stays as it is, and return the answer; it may be empty."""
        answer = await self.request(
            lambda request_id: self._driver.ask_beside(request_id, question), timeout_s=timeout_s
        )
        return side_answer(answer)

    async def rewind_files(self, prompt_uuid: str, *, dry_run: bool) -> FilesRewound | FilesKept:
        """Put files back to their state before the prompt. With `dry_run`, only report which ones.

        Raises `IllegalMove` while a turn runs.
        """

        def build(request_id: str) -> bytes:
            # In the change that sends the line: a turn may have begun while the session woke.
            if self._session.snapshot.current is not None:
                raise IllegalMove("Putting files back", "busy")
            return self._driver.rewind_files(request_id, prompt_uuid, dry_run=dry_run)

        return files_outcome(await self.request(build))

    async def rewind_conversation(self, prompt_uuid: str, newest_uuid: str) -> Rewound | NotRewound:
        """Rewind the conversation to before the prompt. `newest_uuid`: the last prompt given to the CLI."""
        answer = await self.request(
            lambda request_id: self._driver.rewind_conversation(request_id, prompt_uuid, newest_uuid)
        )
        return rewind_outcome(answer)
