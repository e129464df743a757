"""The JSON encoding of values in columns."""

from typing import Any

import msgspec


def tag_of(value: msgspec.Struct) -> str:
    """Return the tag that the JSON of a value of a union has as its `type`."""
    return str(value.__struct_config__.tag)


def as_json(value: Any) -> str:
    """Return any value of ours as compact JSON."""
    return msgspec.json.encode(value).decode()
