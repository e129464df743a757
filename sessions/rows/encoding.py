"""The JSON encoding of values in columns."""

from typing import Any

import msgspec


def as_json(value: Any) -> str:
    """Return any value of ours as compact JSON."""
    return msgspec.json.encode(value).decode()
