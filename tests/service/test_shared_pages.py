"""Shared pages: exactly what was previewed, nothing later, no secret; and their addresses end."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import api as c
from api.access import Actor, Role
from service.shared_document import Cleaner
from sessions.errors import NotAllowed, NothingToShare, SharedPageNotFound
from sessions.retention_rows import delete_session
from sessions.session import Session
from tests.sessions.running_core import CoreParts, RunningCore, idle, running_core
from texts.redaction import Redactor

NOBODY = Actor("", "web", Role.NOBODY)
SECRET = "a-known-secret-value"


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[RunningCore]:
    async with running_core(tmp_path / "core", CoreParts(secrets=(SECRET,))) as running:
        yield running


async def draft(core: RunningCore, session: Session, **options: Any) -> c.SharedPageDraft:
    wish = c.DraftSharedPage(session_id=session.id, options=c.ShareOptions(**options))
    made: c.SharedPageDraft = await core.do(wish)
    return made


async def publish(core: RunningCore, session: Session, page_id: str, days: int = 7) -> c.PublishedPage:
    done: c.PublishedPage = await core.do(
        c.PublishSharedPage(session_id=session.id, page_id=page_id, days=days)
    )
    return done


async def opened(core: RunningCore, token: str) -> c.SharedDocument:
    found: c.SharedDocument = await core.do(c.OpenSharedPage(token=token), NOBODY)
    return found


@pytest.mark.parametrize(
    ("text", "cleaned", "kind"),
    [
        (f"see {SECRET} there", "see [redacted] there", "secrets"),
        ("key sk-ant-api03-abcdefghijklmnop", "key [redacted]", "secrets"),
        ('{"PASSWORD": "hunter2hunter2"}', '{"PASSWORD": "[redacted]"}', "secrets"),
        ("in /srv/data/work/project/src/a.py now", "in src/a.py now", ""),
        ("in /srv/data/sessions.db, too", "in [path], too", "paths"),
        ("/home/ann/.ssh/id_rsa:1", "[path]:1", "paths"),
        ("(/Users/Ann/x y)", "([path] y)", "paths"),
        ("/root", "[path]", "paths"),
        ("/rooted /homes src/home/x", "/rooted /homes src/home/x", ""),
        ("https://example.org/home/ann", "https://example.org/home/ann", ""),
        ("ask <@123456789012345678> in <#99999999>", "ask [id] in [id]", "ids"),
        ("user 123456789012345678.", "user [id].", "ids"),
        ("9123456789012345678", "9123456789012345678", ""),
        ("Project Falcon and FALCON", "Project [redacted] and [redacted]", "words"),
        ("nothing \u202ehere", "nothing here", ""),
    ],
)
def test_each_text_is_cleaned_and_counted(text: str, cleaned: str, kind: str) -> None:
    cleaner = Cleaner(
        redactor=Redactor((SECRET,)),
        places=["/srv/data", "/srv/data/work/project"],
        directory="project",
        ids=["discord:123456789012345678", "123456789012345678", ""],
        words=["falcon", " "],
    )
    assert cleaner.clean(text) == cleaned
    counts = {name for name, count in msgspec.structs.asdict(cleaner.taken_out).items() if count}
    assert counts == ({kind} if kind else set())


async def test_readers_see_exactly_the_preview_however_the_session_goes_on(core: RunningCore) -> None:
    session = await core.session()
    place = session.snapshot.work_directory
    await core.ask(session, f"demo:text look at {place}/a.py and {SECRET} and Falcon")
    made = await draft(core, session, take_out=("Falcon",))
    await core.ask(session, "demo:text a later answer")
    published = await publish(core, session, made.id)
    await core.ask(session, "demo:text another one")
    document = await opened(core, published.token)
    assert document == made.document
    whole = msgspec.json.encode(document).decode()
    for hidden in ("later", "another", SECRET, "Falcon", place, session.id, "ann", "msg:"):
        assert hidden not in whole, hidden
    assert "a.py" in whole
    assert made.taken_out.secrets >= 1
    assert made.taken_out.words >= 1
    again = await draft(core, session, until_turn=1, take_out=("Falcon",))
    assert again.document.turns == document.turns


async def test_choices_leave_tools_thinking_and_file_names_out(core: RunningCore) -> None:
    session = await core.session()
    await core.ask(session, "demo:thinking a thought demo:text hello")
    kinds = {
        name: {part.kind for turn in made.document.turns for part in turn.parts}
        for name, made in {
            "usual": await draft(core, session),
            "all": await draft(core, session, thinking=True),
            "text": await draft(core, session, tools=False),
        }.items()
    }
    assert c.PartKind.THINKING not in kinds["usual"]
    assert kinds["text"] <= {c.PartKind.TEXT, c.PartKind.NOTE}
    assert {c.PartKind.TEXT, c.PartKind.THINKING} <= kinds["all"]


async def test_an_address_ends_when_it_is_taken_back_when_its_time_is_over_and_with_its_session(
    core: RunningCore,
) -> None:
    one, two = await core.session(), await core.session()
    for session in (one, two):
        await core.ask(session, "demo:text hello")
    pages = [await publish(core, one, (await draft(core, one)).id, days) for days in (1, 30)]
    other = await publish(core, two, (await draft(core, two)).id)
    for page in (*pages, other):
        await opened(core, page.token)
    listed = (await core.do(c.ListSharedPages(session_id=one.id))).pages
    assert {(each.id, each.opened) for each in listed} == {(page.page.id, 1) for page in pages}
    # A page belongs to the session that is named with it.
    with pytest.raises(SharedPageNotFound):
        await core.do(c.RevokeSharedPage(session_id=two.id, page_id=pages[0].page.id))
    await core.do(c.RevokeSharedPage(session_id=one.id, page_id=pages[0].page.id))
    assert await _is_gone(core, pages[0].token)
    assert not await _is_gone(core, pages[1].token)
    await core.db.write([_expire(pages[1].page.id)])
    assert await _is_gone(core, pages[1].token)
    assert (await core.do(c.ListSharedPages(session_id=one.id))).pages == ()
    await core.db.write([delete_session(two.id)])
    assert await _is_gone(core, other.token)
    for token in ("", "x" * 5000, "\0", other.page.id):
        assert await _is_gone(core, token)


def _expire(page_id: str):  # type: ignore[no-untyped-def]
    from storage import Statement

    return Statement("UPDATE shared_pages SET expires_ms = 1 WHERE id = ?", (page_id,))


async def _is_gone(core: RunningCore, token: str) -> bool:
    try:
        await opened(core, token)
    except SharedPageNotFound:
        return True
    return False


async def test_a_draft_has_one_address_and_only_its_hash_is_stored(core: RunningCore) -> None:
    session = await core.session()
    with pytest.raises(NothingToShare):
        await draft(core, session)
    await core.ask(session, "demo:text hello")
    made = await draft(core, session)
    published = await publish(core, session, made.id)
    with pytest.raises(SharedPageNotFound):
        await publish(core, session, made.id)
    (row,) = await core.db.read("SELECT * FROM shared_pages")
    assert published.token not in repr(row)
    viewer = Actor("discord:2", "discord", Role.USER)
    with pytest.raises(NotAllowed):
        await core.do(c.DraftSharedPage(session_id=session.id), viewer)
    await idle(session)
