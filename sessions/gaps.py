"""Notice output that never reached the log, and fill it in from Claude's transcript.

On a full disk, the CLI goes on and silently drops or tears lines. If a turn's lines contradict each other, or
its result contradicts them, some are missing. Only then is the transcript read.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from sessions import events as e
from sessions import rows
from sessions.claude import lines as c
from sessions.conversations import ReadBlock
from sessions.draft import Draft
from sessions.interpreter import turn_of_result
from sessions.model import TurnId
from sessions.session_port import SessionPort
from sessions.state import Snapshot
from sessions.topics import Topic

log = logging.getLogger(__name__)


UNSEEN = "not all of the turn was seen"
"""Returned by `Watched.lacks` if nothing is wrong, but the beginning of the turn was not watched."""


class Watched(msgspec.Struct, frozen=True):
    """Facts from the lines of the running turn so far. Main thread only: the transcript has no other rows.

    `evidence` is the first contradiction, in words for the log. `is_whole` is false if the turn's beginning was
    not watched.
    """

    is_whole: bool = True
    evidence: str = ""
    message_id: str = ""
    next_index: int = 0
    open_blocks: frozenset[int] = frozenset()
    messages: frozenset[str] = frozenset()
    calls: frozenset[str] = frozenset()
    results: frozenset[str] = frozenset()
    last_text: str = ""

    def after(self, line: c.CliLine) -> "Watched":
        """Return the facts after `line`. A turn's result resets them: call `lacks` first."""
        match line:
            case c.Unrecognized(is_torn=True):
                return self.with_evidence("a line is torn")
            case c.MessageStarted(parent=None):
                watched = self.with_evidence("a message never stopped") if self.message_id else self
                return replace(watched, message_id=line.message_id, next_index=0, open_blocks=frozenset())
            case c.MessageStopped(parent=None) | c.ApiRetry():
                # A retry begins the message anew: what was open of it is not lost.
                return replace(self, message_id="", open_blocks=frozenset())
            case c.BlockStarted(parent=None):
                return self._block_started(line.index)
            case c.BlockStopped(parent=None):
                return self._block_stopped(line.index)
            case c.AssistantBlocks(parent=None, synthetic=False, error=None):
                return self._said(line)
            case c.ToolResults():
                main = {each.tool_use_id for each in line.results if each.parent is None}
                return replace(self, results=self.results | main)
            case c.TurnResult():
                return Watched()
            case c.StateChanged(state=c.CliState.IDLE):
                return Watched(self.is_whole)
            case _:
                return self

    def lacks(self, snapshot: Snapshot, line: c.CliLine) -> str:
        """Return why a part of the turn that ends with `line` may be missing, in words; else an empty text."""
        match line:
            case c.TurnResult():
                ends = turn_of_result(snapshot, line)
                if ends is not None and ends is snapshot.sent and snapshot.running is None:
                    return "its beginning was lost"
                return self._lacks(line) if ends is not None and ends is snapshot.running else ""
            case c.StateChanged(state=c.CliState.IDLE) if snapshot.running and not snapshot.sent:
                # Claude did the prompt before a crash and now accepts it silently, or its result was lost.
                return self.evidence or UNSEEN
            case _:
                return ""

    def _lacks(self, result: c.TurnResult) -> str:
        if self.evidence:
            return self.evidence
        if self.message_id and not result.is_error:
            return "a message never stopped"
        if self.calls != self.results and not result.is_error:
            return "calls and results of tools do not match"
        is_told = not result.is_error and not result.local_command and result.num_turns > 0
        if is_told and result.num_turns != len(self.messages):
            return "the result counts other messages"
        if is_told and result.text and result.text != self.last_text:
            return "the result ends with another text"
        return "" if self.is_whole else UNSEEN

    def with_evidence(self, evidence: str) -> "Watched":
        """Return a copy that holds `evidence`. Earlier evidence is kept instead."""
        return replace(self, evidence=self.evidence or evidence)

    def _block_started(self, index: int) -> "Watched":
        watched = self if index == self.next_index else self.with_evidence("a block was left out")
        return replace(watched, next_index=index + 1, open_blocks=self.open_blocks | {index})

    def _block_stopped(self, index: int) -> "Watched":
        # The CLI prints the complete block before the block's stop.
        if index not in self.open_blocks:
            watched = self if index < self.next_index else self.with_evidence("a block was left out")
            return replace(watched, next_index=max(self.next_index, index + 1))
        return replace(self, open_blocks=self.open_blocks - {index}).with_evidence(
            "a block stopped that was never complete"
        )

    def _said(self, line: c.AssistantBlocks) -> "Watched":
        texts = [block.text for block in line.blocks if isinstance(block, c.TextBlock)]
        calls = {block.tool_use_id for block in line.blocks if isinstance(block, c.ToolUseBlock)}
        # One such line a block, printed before its stop (measured): it completes the oldest open block.
        streams = line.message_id == self.message_id and self.open_blocks
        watched = self if streams else self.with_evidence("the beginning of a message was not seen")
        return replace(
            watched,
            open_blocks=frozenset(sorted(self.open_blocks)[1:]),
            messages=self.messages | {line.message_id},
            calls=self.calls | calls,
            last_text=texts[-1] if texts else self.last_text,
        )


class KnownBlock(NamedTuple):
    """A stored block: its row in the transcript, its ordinal, and the ordinal that it stands before."""

    uuid: str
    ordinal: int
    before: int | None


def missing(
    turn_id: TurnId, found: Sequence[ReadBlock], known: Sequence[KnownBlock], next_ordinal: int
) -> Iterator[e.BlockAdded]:
    """Yield the blocks of `found` that are not in `known`, each placed before the next known one. Pure."""
    place_of: dict[str, int] = {}
    for block in reversed(known):
        place_of[block.uuid] = block.ordinal if block.before is None else block.before
    lost: list[tuple[ReadBlock, int | None]] = []
    before: int | None = None
    for each in reversed(found):
        if each.uuid in place_of:
            before = place_of[each.uuid]
        else:
            lost.append((each, before))
    for ordinal, (each, place) in enumerate(reversed(lost), start=next_ordinal):
        yield e.BlockAdded(turn_id, ordinal, each.block, each.uuid, place)


async def close_gaps(session: SessionPort, draft: Draft, watched: Watched, line: c.CliLine) -> Watched:
    """If `line` ends a turn and a part seems to be missing, add that part to `draft`.

    Call it before `line` itself is applied. Returns the facts after `line`.
    """
    if why := watched.lacks(draft.snapshot, line):
        sent = draft.snapshot.sent
        if isinstance(line, c.TurnResult) and sent is not None and draft.snapshot.running is None:
            # The line of its start was lost, and blocks go only to a running turn.
            draft.add(e.TurnStarted(sent.turn_id))
        filled = await fill_in(session, draft)
        # After a restart each turn is read back as a precaution: that alone says nothing of a full disk.
        if filled and why is not UNSEEN:
            draft.add(e.Noticed(Topic.GAP, _notice(filled)))
            log.warning("gap filled in", extra={"session": session.id, "blocks": filled, "why": why})
    return watched.after(line)


async def fill_in(session: SessionPort, draft: Draft) -> int:
    """Add to `draft` the running turn's blocks that only the transcript has; return their number.

    A second call adds nothing. May read the whole transcript, in a thread.
    """
    running = draft.snapshot.running
    if running is None:
        return 0
    stored = await rows.load_block_places(session.around.db, session.id, running.turn_id)
    # Blocks of this batch are on the draft, and not in the rows yet.
    known = [*(KnownBlock(*each) for each in stored), *_added(draft, running.turn_id)]
    try:
        found = await asyncio.to_thread(
            session.around.conversations.read_back,
            draft.snapshot.conversation_id,
            Path(draft.snapshot.work_directory),
            running.prompt_uuid,
            frozenset(each.uuid for each in known),
        )
    except OSError as error:
        # The turn ends all the same: its stored part is better than nothing.
        log.warning("transcript not read", extra={"session": session.id, "why": error.strerror})
        return 0
    added = list(missing(running.turn_id, found, known, running.next_ordinal))
    draft.add_all(added)
    return len(added)


def _notice(blocks: int) -> str:
    """Describe the repair for people."""
    what = "One part" if blocks == 1 else f"{blocks:,} parts"
    return (
        f"{what} of this answer did not reach the bridge, as happens when a disk is full; "
        "read back from Claude's transcript."
    )


def _added(draft: Draft, turn_id: TurnId) -> Iterator[KnownBlock]:
    for each in draft.numbered:
        match each.event:
            case e.BlockAdded(turn_id=of, uuid=uuid, ordinal=ordinal, before=before) if of == turn_id and uuid:
                yield KnownBlock(uuid, ordinal, before)
            case _:
                pass
