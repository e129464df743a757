"""Import turns into a session: from a file, from Claude's own transcript, or from a terminal in between.

Everything is checked first. Then one transaction writes all rows, so that a damaged or hostile file changes
nothing.
"""

import asyncio
import json
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from msgspec.structs import replace

from sessions import events as e
from sessions import rows
from sessions.archive import ArchivedTurn, SessionArchive, is_transcript_line
from sessions.conversations import Conversations, ReadTurn
from sessions.draft import Draft
from sessions.errors import ImportRefused
from sessions.model import AskId, AskStatus, Block, SessionId, TokenUsage, TurnId, TurnKind, TurnStatus
from sessions.session_port import SessionPort
from sessions.stored import StoredTurn
from sessions.topics import Topic
from sessions.uploads import DIRECTORY, uploads_of, write_uploads
from storage import Statement

ENDED = frozenset({TurnStatus.DONE, TurnStatus.FAILED, TurnStatus.INTERRUPTED, TurnStatus.CUT})
"""The states of a turn that Claude has worked on and is done with."""


async def fill_from_archive(
    session: SessionPort,
    created: e.SessionCreated,
    archive: SessionArchive,
    more: Callable[[Draft], None] | None = None,
) -> None:
    """Write `archive` into the new, empty `session`: turns, blocks, asks, and its transcripts under new ids.

    `more` adds to the change that stores them.
    """
    conversations = session.around.conversations
    renamed = {kept.conversation_id: str(uuid.uuid4()) for kept in archive.conversations}
    ended = [each for each in archive.turns if each.turn.status in ENDED]
    # New ids, so that a file can be imported beside the session that it came from, and more than once.
    ids = {each.turn.id: TurnId(imported_id(session.id, each.turn.id)) for each in ended}
    turns = [_renamed(each, session.id, ids, renamed) for each in ended]
    uploads = uploads_of(session.around.run_directory, session.id)
    try:
        work_directory = Path(created.work_directory)
        # Files before rows: a session that is stored must find its transcripts.
        await asyncio.to_thread(_write_transcripts, conversations, archive, renamed, work_directory)
        uploaded = {file.name: file.data for file in archive.uploads}
        await asyncio.to_thread(write_uploads, uploads, uploaded)
        async with session.change(new_session=True) as draft:
            draft.add(created)
            if archive.conversation_id in renamed:
                draft.add(e.ConversationChanged(renamed[archive.conversation_id], "import"))
            _add_turns(draft, "file", turns, archive.last_prompt_uuid)
            draft.extra.extend(_archived_asks(session.id, archive, ids))
            if more is not None:
                more(draft)
            known = {f"{DIRECTORY}/{file.name}" for file in archive.uploads}
            attached = [file.path for each in ended for file in each.turn.attachments]
            if files := sum(path not in known for path in attached):
                draft.add(e.Noticed(Topic.FILES_NOT_IMPORTED, _files_left_behind(files)))
    except BaseException as error:
        # A cancelled commit may still have stored the session. Then its copies must stay.
        if session.snapshot.next_event == 1:
            for each in renamed.values():
                conversations.remove_copy(each)
            await asyncio.to_thread(shutil.rmtree, uploads.parent, ignore_errors=True)
        if isinstance(error, OSError):
            why = error.strerror or type(error).__name__
            raise ImportRefused(f"The session could not be written to the disk: {why}.") from error
        raise


async def fill_from_transcript(
    session: SessionPort,
    created: e.SessionCreated,
    conversation_id: str,
    turns: list[ReadTurn],
    came_from: str = "",
) -> None:
    """Write the `turns` of a conversation begun elsewhere into the new `session`, which takes it over.

    `came_from` is the conversation's earlier directory, if the session continues it in another one.
    """
    at_ms = session.around.clock.now_ms()
    stored = [
        ArchivedTurn(_stored(session.id, conversation_id, number, turn, at_ms), _blocks(turn))
        for number, turn in enumerate(turns, start=1)
    ]
    async with session.change(new_session=True) as draft:
        draft.add(created)
        draft.add(e.ConversationChanged(conversation_id, "adopt"))
        if came_from:
            draft.add(e.Moved(created.project, created.work_directory, came_from))
        last_prompts = (turn.prompt_uuid for turn in reversed(turns) if turn.prompt_uuid)
        _add_turns(draft, "transcript", stored, next(last_prompts, ""))


async def read_what_was_said_elsewhere(session: SessionPort) -> int:
    """Add the turns that a terminal made while the session was handed over. Return their number."""
    async with session.change() as draft:
        # Read inside the change: otherwise two prompts at the same time would both add the same turns.
        turns = await asyncio.to_thread(
            session.around.conversations.turns_after,
            draft.snapshot.conversation_id,
            Path(draft.snapshot.work_directory),
            await rows.load_turn_uuids(session.around.db, session.id),
        )
        for turn in turns:
            # Made from Claude's row: the same turn has the same id, however often it is read.
            turn_id = TurnId(str(uuid.uuid5(uuid.UUID(session.id), f"elsewhere {turn.uuid}")))
            number = draft.snapshot.next_turn
            draft.add(
                e.TurnElsewhere(
                    turn_id, number, turn.prompt, turn.prompt_uuid, turn.last_uuid, turn.kind, turn.status
                )
            )
            for ordinal, each in enumerate(turn.blocks):
                draft.add(e.BlockAdded(turn_id, ordinal, each.block, each.uuid))
    return len(turns)


def _add_turns(draft: Draft, source: str, turns: list[ArchivedTurn], last_prompt_uuid: str) -> None:
    draft.add(
        e.Imported(
            source=source,
            turns=len(turns),
            next_turn=turns[-1].turn.number + 1 if turns else 1,
            message_count=sum(each.turn.kind is not TurnKind.BACKGROUND for each in turns),
            cost_usd=round(sum(each.turn.cost_usd for each in turns), 10),
            last_prompt_uuid=last_prompt_uuid,
            list_price_usd=round(sum(each.turn.list_price_usd for each in turns), 10),
        )
    )
    for each in turns:
        draft.extra.append(rows.insert_stored_turn(each.turn))
        draft.extra.extend(
            rows.insert_block(each.turn.id, ordinal, block) for ordinal, block in enumerate(each.blocks)
        )


def imported_id(session_id: SessionId, old: str) -> str:
    """Return the id that a turn, ask or file of an archive has in the session that was made of it."""
    return str(uuid.uuid5(uuid.UUID(session_id), f"imported {old}"))


def _files_left_behind(count: int) -> str:
    what = "A file that came with a prompt is" if count == 1 else f"{count:,} files that came with prompts are"
    return f"{what} not in an export. Claude remembers what it read; send a file again if it is needed anew."


def _renamed(
    each: ArchivedTurn, session_id: SessionId, ids: Mapping[TurnId, TurnId], conversations: Mapping[str, str]
) -> ArchivedTurn:
    """Return the turn under new ids, so that a file can be imported twice, or beside its source session.

    Turns that had not ended are missing in `ids`: references to them become None.
    """
    turn = each.turn
    renamed = replace(
        turn,
        id=ids[turn.id],
        session_id=session_id,
        conversation_id=conversations.get(turn.conversation_id, ""),
        alternative_of=ids.get(turn.alternative_of) if turn.alternative_of else None,
        attachments=(),
        # An origin is unique over all sessions: one from a file could take the place of a prompt here.
        origin="",
    )
    return ArchivedTurn(renamed, each.blocks)


def _archived_asks(
    session_id: SessionId, archive: SessionArchive, ids: Mapping[TurnId, TurnId]
) -> Iterator[Statement]:
    for stored in archive.asks:
        ask = replace(
            stored.ask,
            id=AskId(imported_id(session_id, stored.ask.id)),
            turn_id=ids.get(stored.ask.turn_id) if stored.ask.turn_id else None,
        )
        # Nobody waits for the answer: the process that asked belongs to another session.
        status = AskStatus.WITHDRAWN if stored.status is AskStatus.OPEN else stored.status
        closed_ms = stored.closed_ms if stored.closed_ms is not None else archive.exported_ms
        yield rows.insert_stored_ask(
            replace(stored, ask=ask, session_id=session_id, status=status, closed_ms=closed_ms)
        )


def _write_transcripts(
    conversations: Conversations, archive: SessionArchive, renamed: Mapping[str, str], work_directory: Path
) -> None:
    """Write our copies of the transcripts under their new ids, with their files, ready for the first wake."""
    for kept in archive.conversations:
        old, new = kept.conversation_id, renamed[kept.conversation_id]
        beside = json.dumps(str(conversations.own_place(new, work_directory).with_suffix("")))[1:-1]
        lines = (_with_id(line, old, new, beside) for line in kept.lines)
        conversations.write_copy(new, lines, {file.name: file.data for file in kept.files})


def _with_id(line: str, old: str, new: str, beside: str) -> str:
    """Return the line with the new conversation id and the new path of the files beside the transcript."""
    if not is_transcript_line(line):
        raise ImportRefused("The file is damaged: a line of Claude's transcript is invalid.")
    # Quotes inside a JSON text are escaped, so this pattern matches only the field itself.
    line = re.sub(rf'"sessionId"(\s*):(\s*)"{old}"', rf'"sessionId"\1:\2"{new}"', line)
    if f"/{old}/" not in line:
        return line
    # Claude opens the file of a long output by the absolute path in its history, so the path must be new too.
    old_beside = rf'/[^"\\:|<>]*?/projects/[A-Za-z0-9-]+/{old}(?=/(?:tool-results|subagents)/)'
    return re.sub(old_beside, lambda _: beside, line)


def _stored(session_id: SessionId, conversation_id: str, number: int, turn: ReadTurn, at_ms: int) -> StoredTurn:
    return StoredTurn(
        id=TurnId(imported_id(session_id, turn.uuid)),
        session_id=session_id,
        number=number,
        kind=turn.kind,
        status=turn.status,
        author_id="",
        prompt=turn.prompt,
        prompt_uuid=turn.prompt_uuid,
        attachments=(),
        conversation_id=conversation_id,
        last_uuid=turn.last_uuid,
        alternative_of=None,
        reason="",
        cost_usd=0.0,
        usage=TokenUsage(),
        queued_ms=at_ms,
        started_ms=at_ms,
        ended_ms=at_ms,
        duration_ms=0,
        first_text_ms=None,
    )


def _blocks(turn: ReadTurn) -> tuple[Block, ...]:
    return tuple(each.block for each in turn.blocks)
