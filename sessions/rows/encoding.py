"""How values are written into columns."""

from typing import Any

import msgspec


def as_json(value: Any) -> str:
    """Any value of ours as compact JSON."""
    return msgspec.json.encode(value).decode()
