"""Decode bytes to JSON, and JSON to values of a known type, without ever raising.

We do not control the CLI's output: a line may hold lone surrogates (a JavaScript string that was cut inside an
emoji), nest thousands deep, or be no JSON at all. A field may be missing, or of another type than last week. So
decoding returns None on failure, and each getter returns its default. A number beyond 2^53 counts as missing.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

Json = Mapping[str, Any]

_EMPTY: Json = {}
# JavaScript counts exactly up to here. A larger number is no count, time or amount.
_LARGEST = 2**53
# Values are later written inside other values, which nests them deeper. So the limit here is far below the
# depth that Python can read.
_DEEPEST = 200
_SURROGATE = re.compile("[\ud800-\udfff]")
_decoder = msgspec.json.Decoder()


def decode(line: bytes) -> tuple[Any, str]:
    """Return the JSON value of `line` and "", or None and the reason of the failure.

    Lone surrogates and bytes that are not UTF-8 become U+FFFD. Numbers that do not fit a float become None.
    """
    try:
        value, trouble = _decoder.decode(line), ""
    except (ValueError, RecursionError):
        value, trouble = _decoded_patiently(line)
    # Counting brackets is cheap, and walking the value is not: a line with few brackets cannot nest too deep.
    brackets = line.count(b"{") + line.count(b"[")
    if brackets > _DEEPEST and is_too_deep(value):
        return None, "nested too deep"
    return value, trouble


def _decoded_patiently(line: bytes) -> tuple[Any, str]:
    try:
        text = line.decode("utf-8", "replace")
        # `json` accepts lone surrogates, which would fail at the next encoding.
        return without_surrogates(json.loads(text, parse_constant=_finite, parse_float=_finite)), ""
    except RecursionError:
        return None, "nested too deep"
    except ValueError as error:
        return None, f"not JSON: {error}"[:200]


def is_too_deep(value: Any) -> bool:
    """Whether objects and lists in `value` nest deeper than we accept."""
    level = [value] if isinstance(value, Mapping | list) else []
    for _ in range(_DEEPEST):
        inner = (each.values() if isinstance(each, Mapping) else each for each in level)
        level = [item for items in inner for item in items if isinstance(item, Mapping | list)]
        if not level:
            return False
    return True


def _finite(number: str) -> float | None:
    """Return the number, or None for NaN, Infinity and 1e999, which JSON cannot write again."""
    value = float(number)
    return value if math.isfinite(value) else None


def without_surrogates(value: Any) -> Any:
    """Return `value` with every lone surrogate in its strings and keys replaced, so that it can be encoded.

    Raises `RecursionError` if it nests too deep.
    """
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list | tuple):
        return [without_surrogates(item) for item in value]
    if isinstance(value, Mapping):
        return {without_surrogates(key): without_surrogates(item) for key, item in value.items()}
    return value


def text_of(body: Json, key: str, default: str = "") -> str:
    """Return the text at `key`, or `default` if the value is missing or no text."""
    value = body.get(key)
    return value if isinstance(value, str) else default


def maybe_text(body: Json, key: str) -> str | None:
    """Return the text at `key`, or None if the value is missing or no text."""
    value = body.get(key)
    return value if isinstance(value, str) else None


def int_of(body: Json, key: str, default: int = 0) -> int:
    """Return the number at `key` as an integer, or `default`."""
    value = maybe_int(body, key)
    return default if value is None else value


def maybe_int(body: Json, key: str) -> int | None:
    """Return the number at `key` as an integer, or None if it is no number or too large."""
    number = maybe_float(body, key)
    if number is None:
        return None
    value = body[key]
    return value if isinstance(value, int) else int(number)


def float_of(body: Json, key: str, default: float = 0.0) -> float:
    """Return the number at `key`, or `default`."""
    value = maybe_float(body, key)
    return default if value is None else value


def maybe_float(body: Json, key: str) -> float | None:
    """Return the number at `key`, or None if it is no number, not finite or too large."""
    value = body.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Compare before converting: a float rounds, and a huge integer overflows it. NaN fails the comparison.
    return float(value) if -_LARGEST <= value <= _LARGEST else None


def flag_of(body: Json, key: str) -> bool:
    """Whether the value at `key` is true itself."""
    return body.get(key) is True


def object_of(body: Json, key: str) -> Json:
    """Return the object at `key`, or an empty one."""
    value = body.get(key)
    return value if isinstance(value, Mapping) else _EMPTY


def maybe_object(body: Json, key: str) -> Json | None:
    """Return the object at `key`, or None if the value is missing or no object."""
    value = body.get(key)
    return value if isinstance(value, Mapping) else None


def objects_of(body: Json, key: str) -> list[Json]:
    """Return the objects in the list at `key`. Other items are left out."""
    value = body.get(key)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def texts_of(body: Json, key: str) -> tuple[str, ...]:
    """Return the strings in the list at `key`. Other items are left out."""
    value = body.get(key)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list | tuple) else ()
