"""Requests to a running CLI and their answers: interrupt, model, mode, context, rewinding.

A request is a durable line like any other, but waiting for its answer is not: after a restart nobody waits.
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
)
from sessions.claude.lines import ControlFailed, ControlSucceeded
from sessions.errors import ClaudeUnavailable
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
        """Whether the CLI has been told to stop, or is about to be, and has not said yet that it does."""
        return self._interrupts > 0

    async def request(
        self, build: Callable[[str], bytes], *, timeout_s: float | None = None
    ) -> ControlSucceeded:
        """Send a control request and return its answer.

        Raises `ClaudeUnavailable` if the CLI says no, does not answer in time, or ends.
        """
        request_id = str(uuid.uuid4())
        reply: _Reply = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = reply
        try:
            async with self._session.change() as draft:
                draft.send(request_id, build(request_id))
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
        """An answer has come and what came before it is recorded."""
        reply = self._waiting.get(line.request_id)
        if reply is not None and not reply.done():
            reply.set_result(line)

    def abandon(self) -> None:
        """The host is over: nobody answers any more."""
        for request_id, reply in self._waiting.items():
            if not reply.done():
                reply.set_result(ControlFailed(request_id, "the process ended"))

    async def interrupt(self) -> None:
        """Cut the running turn; the CLI keeps what it has said and stays."""
        self._interrupts += 1
        try:
            await self.request(self._driver.interrupt)
        finally:
            self._interrupts -= 1

    async def cancel_prompt(self, prompt_uuid: str) -> None:
        """Take back a prompt that the CLI has queued; one that it has begun stays."""
        await self.request(lambda request_id: self._driver.cancel_prompt(request_id, prompt_uuid))

    async def set_model(self, model: str) -> str:
        """Switch the model; returns its full name. The CLI may try it with a short call to the API."""
        answer = await self.request(lambda request_id: self._driver.set_model(request_id, model))
        return str(answer.response.get("model") or model)

    async def set_permission_mode(self, mode: PermissionMode) -> None:
        """Change what Claude may do without asking, from now on."""
        await self.request(lambda request_id: self._driver.set_permission_mode(request_id, mode))

    async def measure_context(self) -> ContextUsage:
        """How full the context is."""
        return context_usage(await self.request(self._driver.measure_context))

    async def rewind_files(self, prompt_uuid: str, *, dry_run: bool) -> FilesRewound | FilesKept:
        """Put files back to before the prompt, or only say which."""
        answer = await self.request(
            lambda request_id: self._driver.rewind_files(request_id, prompt_uuid, dry_run=dry_run)
        )
        return files_outcome(answer)

    async def rewind_conversation(self, prompt_uuid: str, newest_uuid: str) -> Rewound | NotRewound:
        """Let the CLI forget the prompt and all after it."""
        answer = await self.request(
            lambda request_id: self._driver.rewind_conversation(request_id, prompt_uuid, newest_uuid)
        )
        return rewind_outcome(answer)
