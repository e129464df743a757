"""Faults to plant in a sound history: in its rows, logs and notes, and in the blocks that people saw."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path


def sql(*statements: str) -> Callable[[Path], None]:
    """Change rows, whatever constraints and triggers say."""

    def plant(root: Path) -> None:
        with closing(sqlite3.connect(root / "data" / "sessions.db")) as connection:
            connection.execute("PRAGMA foreign_keys = OFF")
            for statement in statements:
                assert connection.execute(statement).rowcount != 0, statement
            connection.commit()

    return plant


def in_log(name: str, change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], None]:
    """Change the lines of the first host's log."""

    def plant(root: Path) -> None:
        path = min((root / "logs").glob(f"*/1/{name}.ndjson"))
        before = path.read_bytes().splitlines(keepends=True)
        after = change(list(before))
        assert after != before
        path.write_bytes(b"".join(after))

    return plant


def among_notes(change: Callable[[list[dict[str, object]]], list[dict[str, object]]]) -> Callable[[Path], None]:
    """Change what people noted."""

    def plant(root: Path) -> None:
        path = root / "people.ndjson"
        notes = [json.loads(line) for line in path.read_text().splitlines()]
        before = json.dumps(notes)
        after = change(notes)
        assert json.dumps(after) != before
        path.write_text("".join(json.dumps(note) + "\n" for note in after))

    return plant


def first(lines: list[bytes], *words: bytes) -> int:
    return next(n for n, line in enumerate(lines) if all(word in line for word in words))


def doubled(*words: bytes) -> Callable[[list[bytes]], list[bytes]]:
    """The first line with these words once more at the end."""
    return lambda lines: [*lines, lines[first(lines, *words)]]


def without(*words: bytes) -> Callable[[list[bytes]], list[bytes]]:
    return lambda lines: [line for n, line in enumerate(lines) if n != first(lines, *words)]


def without_answer(lines: list[bytes]) -> list[bytes]:
    """Without the echo of an answer, as if Claude had never read it."""
    return [line for line in lines if b'"behavior"' not in line or b"can_use_tool" in line]


def seen(notes: list[dict[str, object]]) -> list[int]:
    return [n for n, note in enumerate(notes) if note["what"] == "seen" and note["who"] == "p0"]


def shown_twice(notes: list[dict[str, object]]) -> list[dict[str, object]]:
    return [*notes[: seen(notes)[3]], notes[seen(notes)[3]], *notes[seen(notes)[3] :]]


def shown_not(notes: list[dict[str, object]]) -> list[dict[str, object]]:
    return [note for n, note in enumerate(notes) if n != seen(notes)[3]]


def shown_otherwise(notes: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{**note, "digest": "0"} if n == seen(notes)[3] else note for n, note in enumerate(notes)]


def answered_by_all(notes: list[dict[str, object]]) -> list[dict[str, object]]:
    return [*notes, *({**note, "what": "answered"} for note in notes if note["what"] == "tried")]


def last_block(what: str) -> str:
    first_one = f"SELECT turn_id, ordinal FROM blocks WHERE kind = '{what}' ORDER BY 1, 2 LIMIT 1"
    return f"(turn_id, ordinal) = ({first_one})"


def block_events(connection: sqlite3.Connection) -> list[tuple[str, int, str]]:
    """The two blocks of the first turn that has two: session, number and body of their events."""
    found = connection.execute(
        "SELECT session_id, number, body FROM events WHERE kind = 'block_added'"
        " AND json_extract(body, '$.turn_id') = "
        " (SELECT turn_id FROM blocks WHERE body LIKE '%two%' LIMIT 1) ORDER BY number"
    ).fetchall()
    assert len(found) == 2
    return found


def swapped_blocks(root: Path) -> None:
    with closing(sqlite3.connect(root / "data" / "sessions.db")) as connection:
        (session, one, _), (_, two, _) = block_events(connection)
        for old, new in ((one, -1), (two, one), (-1, two)):
            connection.execute(
                "UPDATE events SET number = ? WHERE session_id = ? AND number = ?", (new, session, old)
            )
        connection.commit()


def invented_block(root: Path) -> None:
    with closing(sqlite3.connect(root / "data" / "sessions.db")) as connection:
        session, _, body = block_events(connection)[1]
        event = {**json.loads(body), "ordinal": 9, "uuid": "nobody"}
        connection.execute(
            "INSERT INTO blocks (turn_id, ordinal, kind, body) VALUES (?, 9, 'text', '{\"type\":\"text\"}')",
            (event["turn_id"],),
        )
        connection.execute(
            "INSERT INTO events VALUES (?, 9000, 0, 'block_added', ?)", (session, json.dumps(event))
        )
        connection.commit()


A_TURN = "(SELECT id FROM turns ORDER BY id LIMIT 1)"
