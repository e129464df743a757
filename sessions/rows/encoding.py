"""How values are written into columns."""

from datetime import UTC, datetime
from typing import Any

import msgspec


def as_json(value: Any) -> str:
    """Any value of ours as compact JSON."""
    return msgspec.json.encode(value).decode()


def as_iso(at_ms: int) -> str:
    """Milliseconds since the epoch as UTC in ISO 8601, to the millisecond."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
