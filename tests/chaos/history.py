"""The remains of a run, read for judging: raw logs, database rows, people's notes.

A history is a directory: `data/` (the bridge's own), `logs/<session>/<host>/{input,output}.ndjson` (kept by
the harness under a second name, since the bridge removes what it has applied), `people.ndjson` (one JSON object
a line: what was tried, accepted, seen), `discord.ndjson` and `traffic.json` (see `judge_discord.py`), and
`home/.claude/projects` (Claude's transcripts). Reading changes nothing.
"""

import hashlib
import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]

_TABLES = {
    "sessions": "id",
    "turns": "session_id, number",
    "blocks": "turn_id, ordinal",
    "asks": "session_id, opened_ms, id",
    "hosts": "session_id, number",
    "inputs": "session_id, host, number",
    "events": "session_id, number",
}


@dataclass(frozen=True, slots=True)
class HostLogs:
    """The two logs of one host, as they are on the disk."""

    session_id: str
    number: int
    input: bytes
    output: bytes

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Whole output lines with the offset after each; a torn last line is none."""
        start = 0
        while (end := self.output.find(b"\n", start)) >= 0:
            yield end + 1, self.output[start:end]
            start = end + 1

    def inputs(self) -> Iterator[tuple[int, bytes]]:
        """Input lines with the offset of each; the last one may be torn."""
        start = 0
        for line in self.input.splitlines(keepends=True) if b"\r" not in self.input else _cut(self.input):
            yield start, line
            start += len(line)


@dataclass(frozen=True, slots=True)
class History:
    """Everything that `check` judges. `discord` and `traffic` are the fake Discord's, if there was one."""

    root: Path
    tables: Mapping[str, Sequence[Row]]
    hosts: Mapping[str, Sequence[HostLogs]]
    people: Sequence[Row]
    transcript_uuids: frozenset[str]
    discord: Sequence[Row] = ()
    traffic: Row | None = None

    def of(self, table: str, session_id: str) -> list[Row]:
        """The rows of a session, in order."""
        return [row for row in self.tables[table] if row["session_id"] == session_id]

    def session_ids(self) -> list[str]:
        return [row["id"] for row in self.tables["sessions"]]

    def did(self, what: str) -> list[Row]:
        """Return people's notes under the word `what`, oldest first."""
        return [row for row in self.people if row["what"] == what]


def read_history(root: Path) -> History:
    """The history in `root`. Raises `OSError` and `sqlite3.Error`."""
    hosts: dict[str, list[HostLogs]] = defaultdict(list)
    directories = sorted((root / "logs").glob("*/*"), key=lambda path: (path.parent.name, int(path.name)))
    for path in directories:
        logs = HostLogs(
            path.parent.name,
            int(path.name),
            (path / "input.ndjson").read_bytes(),
            (path / "output.ndjson").read_bytes(),
        )
        hosts[path.parent.name].append(logs)
    return History(
        root=root,
        tables=_tables(root / "data" / "sessions.db"),
        hosts=hosts,
        people=_json_lines(root / "people.ndjson"),
        transcript_uuids=_transcript_uuids(root / "home" / ".claude" / "projects"),
        discord=_json_lines(root / "discord.ndjson"),
        traffic=next(iter(_json_lines(root / "traffic.json")), None),
    )


def digest(event: Mapping[str, Any]) -> str:
    """A short name for the content of an event, whatever the order of its fields."""
    body = json.dumps(event, sort_keys=True, ensure_ascii=True).encode()
    return hashlib.sha256(body).hexdigest()[:16]


def _cut(data: bytes) -> list[bytes]:
    pieces = data.split(b"\n")
    return [piece + b"\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])


def read_tables(connection: sqlite3.Connection) -> dict[str, list[Row]]:
    """The rows that are judged, in order."""
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    return {
        table: [dict(row) for row in cursor.execute(f"SELECT * FROM {table} ORDER BY {order}")]
        for table, order in _TABLES.items()
    }


def _tables(path: Path) -> dict[str, list[Row]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return read_tables(connection)


def _json_lines(path: Path) -> list[Row]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line.strip()]


def _transcript_uuids(projects: Path) -> frozenset[str]:
    """Every uuid that Claude wrote down for itself: what may be read back from there."""
    found: set[str] = set()
    for path in projects.glob("*/*.jsonl"):
        for line in path.read_bytes().split(b"\n"):
            try:
                row = json.loads(line)
            except ValueError:
                continue
            found.add(str(row.get("uuid", "")))
    return frozenset(found - {""})
