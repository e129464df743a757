"""Files from elsewhere, given to a core that runs: exported sessions, and Claude's own transcripts.

A file becomes a whole session that can be read, exported in every format and imported again, or it is refused
with a sentence and leaves nothing.
"""

import asyncio
import re
from contextlib import suppress
from pathlib import Path
from random import Random
from uuid import uuid4

import api as c
from backends.output_log import LineSplitter
from sessions.claude.errors import ClaudeError
from sessions.claude.transcript_rows import newest_rows, rows
from sessions.conversations import Conversations
from sessions.errors import ImportRefused, SessionError
from sessions.model import ExportFormat
from tests.corpus.played import Broken
from tests.corpus.seeds import CONVERSATION, WORK
from tests.sessions.running_core import RunningCore

_TABLES = ("sessions", "turns", "blocks", "asks", "events", "hosts", "inputs", "shares")
# A sentence for people: no path, no name of an error, no piece of the file.
_SENTENCE = re.compile(r"[A-Z][^\n/{}]*\.")


async def archive_holds(core: RunningCore, data: bytes, *, pdf: bool = True) -> bool:
    """Import the file; whether it was taken. Raises `Broken`, or what escaped."""
    before = await everything(core)
    try:
        info = await core.do(c.ImportSession(channel_id="d", data=data))
    except ImportRefused as refusal:
        if await everything(core) != before:
            raise Broken("an import that was refused left something") from refusal
        if not _SENTENCE.fullmatch(str(refusal)):
            raise Broken("a refusal is no sentence for people") from refusal
        return False
    await _can_be_used(core, info.id, pdf=pdf)
    return True


async def transcript_holds(core: RunningCore, data: bytes, *, pdf: bool = True) -> bool:
    """Let the file be Claude's transcript, and take its conversation over; whether there was one to take."""
    conversation = str(uuid4())
    data = data.replace(CONVERSATION.encode(), conversation.encode())
    project = core.directory / "workspaces" / "project"
    project.mkdir(parents=True, exist_ok=True)
    data = data.replace(WORK.encode(), str(project).encode())
    path = core.claude / "projects" / "-work" / f"{conversation}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    before = await everything(core)
    try:
        await asyncio.to_thread(_read_every_way, path, core)
        info = await core.do(c.AdoptConversation(conversation_id=conversation, channel_id="d"))
    except SessionError as refusal:
        if await everything(core) != before:
            raise Broken("a conversation that was not taken over left something") from refusal
        return False
    else:
        await _can_be_used(core, info.id, pdf=pdf)
        return True
    finally:
        path.unlink()


def _read_every_way(path: Path, core: RunningCore) -> None:
    conversation, work = path.stem, core.directory
    forward, backward = list(rows(path)), list(newest_rows(path))
    if forward != backward[::-1]:
        raise Broken("a transcript reads otherwise from its end")
    conversations = Conversations({"CLAUDE_CONFIG_DIR": str(core.claude)}, core.copies)
    conversations.stored()
    with suppress(ClaudeError):
        conversations.remains(conversation, work)
    for row in forward:
        conversations.read_back(conversation, work, row.uuid)
        conversations.turns_after(conversation, work, row.uuid)


async def _can_be_used(core: RunningCore, session_id: str, *, pdf: bool) -> None:
    """Read and export it; what was exported can be imported."""
    await core.do(c.ReadTurns(session_id=session_id))
    for wanted in ExportFormat if pdf else set(ExportFormat) - {ExportFormat.PDF}:
        file = await core.do(c.ExportSession(session_id=session_id, format=wanted))
        if wanted is ExportFormat.JSON:
            try:
                await core.do(c.ImportSession(channel_id="d", data=file.data))
            except ImportRefused as refusal:
                raise Broken("what was taken and exported is refused") from refusal


async def everything(core: RunningCore) -> object:
    """How much there is: rows of every table but the audit, and all files, so that a change shows."""
    counts = [await core.db.read_one(f"SELECT count(*) FROM {table}") for table in _TABLES]
    files = (path for path in core.directory.rglob("*") if path.is_file() and "sessions.db" not in path.name)
    return [tuple(row) for row in counts if row], sorted(map(str, files))


def log_holds(data: bytes, random: Random) -> None:
    """Cut the log anyhow: its lines are what is between line ends, and reading goes on from each of them."""
    expected = data.split(b"\n")[:-1]
    start = 0
    if expected and random.random() < 0.5:
        skipped = random.randrange(len(expected))
        start = sum(len(line) + 1 for line in expected[:skipped])
        expected = expected[skipped:]
    splitter, found, position = LineSplitter(start), [], start
    while position < len(data):
        size = random.choice((1, 2, 100, 4096, 65_536))
        found += splitter.feed(data[position : position + size])
        position += size
    if [line.data for line in found] != expected:
        raise Broken("lines depend on how the log was cut into chunks")
    if found and found[-1].end != start + sum(len(line) + 1 for line in expected):
        raise Broken("a line does not know where it ends")
