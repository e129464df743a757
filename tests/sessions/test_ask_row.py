"""The row of an ask that Claude asks again: nothing of its first answer is left."""

import sqlite3
from contextlib import closing

from bridge.schema import schema
from sessions import events as e
from sessions.asks import Allow, Ask, PermissionBody
from sessions.model import AskId, SessionId
from sessions.rows import insert_session, project_event
from sessions.snapshot import Snapshot

SESSION = SessionId("one")


def test_an_ask_that_is_open_again_has_no_trace_of_its_first_answer() -> None:
    ask = Ask(AskId("ask"), None, 1, "request", 5, PermissionBody("Bash", "tool", {}))
    events = (
        e.AskOpened(ask),
        e.AskDecided(ask.id, Allow(), "ann", "terminal:ann", "terminal"),
        e.AskOpened(ask),
    )
    with closing(sqlite3.connect(":memory:")) as file:
        for step in schema():
            file.executescript(step.sql)
        made = insert_session(Snapshot(SESSION, user_id="ann"))
        file.execute(made.sql, made.params)
        for event in events:
            for statement in project_event(SESSION, event, 7):
                file.execute(statement.sql, statement.params)
        columns = "status, decision, decided_by, decided_through, decided_face, closed_ms"
        assert file.execute(f"SELECT {columns} FROM asks").fetchone() == ("open", "", "", "", "", None)
