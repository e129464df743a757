"""The scripted CLI's conversation on disk."""

# pathlib would be a good part of the start-up time
# ruff: noqa: PTH103, PTH109, PTH110, PTH112, PTH120, PTH123, PTH208

from __future__ import annotations

import os

from tests.fakes.scripted import quick_json as json
from tests.fakes.scripted.words import VERSION, Row, now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Transcript:
    """The conversation on disk: one append-only file, from which everything is known again after SIGKILL.

    `chain` holds the user and assistant rows that count; `done` the uuids of prompts whose turn has ended;
    `saved_cost` what the last process that ended in good order had counted.
    """

    def __init__(self, config: str, session_id: str) -> None:
        folder = "".join(each if each.isascii() and each.isalnum() else "-" for each in os.getcwd())
        self.session_id = session_id
        self.path = find_transcript(config, session_id) or f"{config}/projects/{folder}/{session_id}.jsonl"
        self.chain: list[Row] = []
        self.done: set[str] = set()
        self.saved_cost = 0.0
        self.existed = os.path.exists(self.path)
        if self.existed:
            with open(self.path, "rb") as file:
                for raw in file.read().split(b"\n"):
                    if raw.strip():
                        self._apply(json.loads(raw))

    def append(self, row: Row) -> None:
        self._apply(row)
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with open(self.path, "ab") as file:
            file.write(json.dumps(row).encode() + b"\n")

    def add(self, kind: str, ident: str, message: Row, **more: Any) -> None:
        parent = self.chain[-1]["uuid"] if self.chain else None
        facts = {"cwd": os.getcwd(), "sessionId": self.session_id, "version": VERSION, "isSidechain": False}
        row = {"type": kind, "uuid": ident, "parentUuid": parent, "timestamp": now(), "message": message}
        self.append({**row, **facts, **more})

    def _apply(self, row: Row) -> None:
        if row["type"] in ("user", "assistant"):
            self.chain.append(row)
        elif row["type"] == "cost-state":
            self.saved_cost = row["totalCostUSD"]
        elif row["type"] == "scripted-done":
            self.done.update(row["uuids"])
        elif row["type"] == "scripted-keep":
            self.chain = self.chain[: row["rows"]]
            self.done &= {kept["uuid"] for kept in self.chain}

    def index(self, ident: str) -> int:
        return next((n for n, row in enumerate(self.chain) if row["uuid"] == ident), -1)

    def keep(self, rows: int) -> None:
        self.append({"type": "scripted-keep", "rows": rows})

    def prompts(self) -> list[Row]:
        """Return the prompts of people, without those of the CLI itself."""
        return [row for row in self.chain if row.get("promptSource") and "origin" not in row]


def find_transcript(config: str, session_id: str) -> str | None:
    projects = f"{config}/projects"
    folders = os.listdir(projects) if os.path.isdir(projects) else []
    paths = (f"{projects}/{folder}/{session_id}.jsonl" for folder in folders)
    return next((path for path in paths if os.path.exists(path)), None)
