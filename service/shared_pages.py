"""Carries out the commands of `api/shared_pages.py`."""

import asyncio
import hashlib
import secrets
import zlib
from pathlib import Path, PurePath
from typing import assert_never

import msgspec
from msgspec.structs import replace

import api as c
from api.access import Actor
from service.parts import ServiceParts
from service.session_info import session_facts
from service.shared_document import Cleaner, make_document
from sessions.errors import NothingToShare, SharedPageNotFound
from sessions.rows import shared_pages as rows
from sessions.rows.transcript import load_transcript
from sessions.session import Session
from storage import UuidMaker
from texts.redaction import Redactor

_MOST_TURNS = 300
_DRAFT_MS = 3_600_000
_DAY_MS = 86_400_000
_LONGEST_TOKEN = 100
_documents = msgspec.json.Decoder(c.SharedDocument)
_ids = UuidMaker()


async def share_pages(
    parts: ServiceParts, session: Session, actor: Actor, command: c.SharedPagesCommand
) -> object:
    """Carry out `command` and return its reply. Raises `NothingToShare` and `SharedPageNotFound`."""
    db, now_ms = parts.manager.db, parts.manager.now_ms()
    match command:
        case c.DraftSharedPage():
            return await _draft(parts, session, actor, command.options)
        case c.PublishSharedPage():
            # Only its hash is stored, so a copy of the database opens no page.
            token = secrets.token_urlsafe(32)
            expires_ms = now_ms + max(1, min(command.days, c.LONGEST_DAYS)) * _DAY_MS
            publish = rows.publish_draft(command.page_id, session.id, _hash(token), expires_ms)
            (done,) = await db.write([publish])
            if not done.rows:
                raise SharedPageNotFound
            address = parts.links.address
            url = f"{address}/shared/{token}" if address else ""
            return c.PublishedPage(_page(rows.page_of(done.rows[0])), token, url)
        case c.ListSharedPages():
            return c.SharedPages(tuple(_page(each) for each in await rows.load_pages(db, session.id, now_ms)))
        case c.RevokeSharedPage():
            (deleted,) = await db.write([rows.delete_page(command.page_id, session.id)])
            if not deleted.rowcount:
                raise SharedPageNotFound
            return c.Nothing()
        case _:
            assert_never(command)


async def open_page(parts: ServiceParts, command: c.OpenSharedPage) -> c.SharedDocument:
    """Return the page behind a token, and count the opening. Raises `SharedPageNotFound`."""
    if len(command.token) > _LONGEST_TOKEN:
        raise SharedPageNotFound
    # One statement looks and counts, so a page that is revoked meanwhile is not opened.
    (found,) = await parts.manager.db.write([rows.count_opening(_hash(command.token), parts.manager.now_ms())])
    if not found.rows:
        raise SharedPageNotFound
    content = found.rows[0][0]
    assert isinstance(content, bytes)
    return await asyncio.to_thread(lambda: _documents.decode(zlib.decompress(content)))


async def _draft(
    parts: ServiceParts, session: Session, actor: Actor, options: c.ShareOptions
) -> c.SharedPageDraft:
    db, now_ms, snapshot = parts.manager.db, parts.manager.now_ms(), session.snapshot
    before = None if options.until_turn is None else options.until_turn + 1
    found = await load_transcript(db, session.id, before=before, limit=_MOST_TURNS)
    turns = found.turns[::-1]
    cleaner = Cleaner(
        redactor=Redactor(parts.secrets),
        places=_places(parts, session),
        directory=PurePath(snapshot.work_directory).name,
        ids=await _ids_of(session, {each.turn.author_id for each in turns} | {actor.user_id}),
        words=options.take_out,
    )

    def make() -> tuple[c.SharedDocument, bytes]:
        document = make_document(snapshot.title or "Conversation", turns, options, cleaner, now_ms)
        earlier = turns[0].turn.number - 1 if turns else 0
        document = replace(document, earlier=earlier)
        return document, zlib.compress(msgspec.json.encode(document))

    document, content = await asyncio.to_thread(make)
    if not document.turns:
        raise NothingToShare
    # The stored copy is what the maker looks at, and what is published: nothing later gets into it.
    page_id = _ids.make()
    page = rows.NewPage(page_id, session.id, actor.user_id, now_ms, found.as_of, len(document.turns), content)
    # Drafts that nobody published, and expired pages, go on this occasion.
    await db.write([rows.forget_pages(now_ms - _DRAFT_MS, now_ms), rows.insert_draft(page)])
    return c.SharedPageDraft(page_id, document, cleaner.taken_out, found.as_of)


def _places(parts: ServiceParts, session: Session) -> list[str]:
    policy = parts.manager.policy
    places = (Path.home(), policy.workspace_root, policy.run_directory.parent, session.snapshot.work_directory)
    return [str(each) for each in places]


async def _ids_of(session: Session, people: set[str]) -> set[str]:
    snapshot = session.snapshot
    grantees = set((await session_facts(session)).shares)
    ids = {session.id, snapshot.conversation_id, snapshot.channel_id, snapshot.key, snapshot.user_id}
    all_ids = ids | people | grantees
    # A text that names a person of Discord has the number without our prefix.
    return all_ids | {each.partition(":")[2] for each in all_ids if each.startswith("discord:")}


def _page(stored: rows.StoredPage) -> c.SharedPage:
    return c.SharedPage(
        id=stored.id,
        made_by=stored.made_by,
        made_ms=stored.made_ms,
        as_of=stored.as_of,
        turns=stored.turns,
        expires_ms=stored.expires_ms,
        opened=stored.opened,
        opened_ms=stored.opened_ms,
    )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
