"""The last `cost-state` row of a transcript is found wherever it stands, and nothing else is taken for it."""

import json
from pathlib import Path

import pytest

from sessions.claude import saved_cost
from sessions.claude.saved_cost import saved_cost_usd


def state(total: object) -> bytes:
    return json.dumps({"type": "cost-state", "totalCostUSD": total}).encode()


QUOTED = json.dumps(
    {"type": "user", "message": {"content": '{"type": "cost-state", "totalCostUSD": 9}'}}
).encode()
NESTED = json.dumps({"type": "user", "toolUseResult": {"type": "cost-state", "totalCostUSD": 9}}).encode()
TEXT = json.dumps({"type": "assistant", "text": "x" * 700}).encode()


@pytest.mark.parametrize("chunk_bytes", [7, 64, 1 << 20])
@pytest.mark.parametrize(
    ("lines", "total"),
    [
        ([], 0.0),
        ([b""], 0.0),
        ([TEXT], 0.0),
        ([state(0.25)], 0.25),
        ([state(0.25), state(0.5), TEXT], 0.5),
        ([TEXT, state(0.25), TEXT, TEXT, b""], 0.25),
        ([state(0.25), QUOTED, NESTED], 0.25),
        ([state(0.25), b'{"type":"cost-state","totalCo'], 0.25),
        ([state(0.25), b"\xff\xfe cost-state", b"", b""], 0.25),
        ([state("much")], 0.0),
        ([state(-1)], 0.0),
    ],
)
def test_the_last_row_that_tells_a_total_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[bytes], total: float, chunk_bytes: int
) -> None:
    monkeypatch.setattr(saved_cost, "_CHUNK_BYTES", chunk_bytes)
    path = tmp_path / "transcript.jsonl"
    path.write_bytes(b"\n".join(lines))
    assert saved_cost_usd(path) == total
