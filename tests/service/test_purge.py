"""Deleting a session for good: only an ended one, only by its owner or an admin, and nothing of it stays."""

from pathlib import Path

import pytest

import api as c
from api.access import Actor, Role
from sessions.errors import IllegalMove, NotAllowed, SessionNotFound
from sessions.model import ShareLevel
from sessions.retention import RetentionRules
from tests.sessions.running_core import running_core


async def test_only_an_ended_session_is_deleted_and_nothing_of_it_stays(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core") as core:
        session, other = await core.session(), await core.session()
        await core.ask(session, "demo:text needle")
        await core.ask(other, "demo:text needle")
        await core.do(c.Share(session_id=session.id, grantee="ben", level=ShareLevel.APPROVE))
        with pytest.raises(IllegalMove):
            await core.do(c.Purge(session_id=session.id))
        await core.do(c.Clear(session_id=session.id))
        with pytest.raises(NotAllowed):
            await core.do(c.Purge(session_id=session.id), Actor("ben", "test", Role.USER))
        await core.do(c.Purge(session_id=session.id), Actor("ann", "test", Role.USER))
        with pytest.raises(SessionNotFound):
            await core.do(c.GetSession(session_id=session.id))
        for table in ("sessions", "turns", "events", "shares", "hosts", "asks", "inputs"):
            column = "id" if table == "sessions" else "session_id"
            rows = await core.db.read(f"SELECT count(*) FROM {table} WHERE {column} = ?", (session.id,))
            assert rows == [(0,)], table
        assert not (core.run / session.id).exists()
        assert {place.session_id for place in (await core.do(c.Search(text="needle"))).places} == {other.id}
        acts = await core.db.read("SELECT action, allowed FROM audit WHERE session_id = ?", (session.id,))
        assert ("purge", 1) in acts


@pytest.mark.parametrize("by_rule", [False, True])
async def test_no_file_holds_a_word_of_a_deleted_session(tmp_path: Path, *, by_rule: bool) -> None:
    """Neither the WAL file nor the index of the search, which keeps the parts of words of a deleted text."""
    async with running_core(tmp_path / "core", retention=RetentionRules(max_ended=0)) as core:
        session, other = await core.session(), await core.session()
        # In this order: a new session is told what the one before was about.
        await core.ask(other, "demo:text another")
        await core.ask(session, "demo:text qzxword")
        assert (await core.do(c.Search(text="qzxword"))).places
        await core.do(c.Clear(session_id=session.id))
        await core.do(c.ApplyRetention() if by_rule else c.Purge(session_id=session.id))
        files = [
            path for path in core.directory.rglob("*") if path.is_file() and core.claude not in path.parents
        ]
        assert core.db.path in files
        assert [path.name for path in files if b"qzx" in path.read_bytes()] == []
        assert (await core.do(c.Search(text="another"))).places
