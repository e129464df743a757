"""Bytes to JSON, and JSON to values of a known type, without ever raising.

What the CLI prints is not ours: a line may hold lone surrogates (a JavaScript string that was cut inside an
emoji), nest thousands deep, or be no JSON at all, and a field may be missing or of another type than last
week. So decoding answers None where it cannot, and each getter answers its default. A number beyond what
anything is counted in counts as missing.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

Json = Mapping[str, Any]

_EMPTY: Json = {}
# JavaScript counts exactly up to here: what is larger is no count, time or amount, and fits into no column.
_LARGEST = 2**53
# What is read is written again within other values, and shown: a value at the edge of what Python can read is
# beyond the edge there.
_DEEPEST = 200
_SURROGATE = re.compile("[\ud800-\udfff]")
_decoder = msgspec.json.Decoder()


def decode(line: bytes) -> tuple[Any, str]:
    """The JSON value of `line` and "", or None and the reason why there is none.

    Lone surrogates and bytes that are not UTF-8 become U+FFFD, numbers that no float holds become null.
    """
    try:
        value, trouble = _decoder.decode(line), ""
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value, trouble = _decoded_patiently(line)
    brackets = line.count(b"{") + line.count(b"[")
    if brackets > _DEEPEST and is_too_deep(value):
        return None, "nested too deep"
    return value, trouble


def _decoded_patiently(line: bytes) -> tuple[Any, str]:
    try:
        text = line.decode("utf-8", "replace")
        return without_surrogates(json.loads(text, parse_constant=_finite, parse_float=_finite)), ""
    except RecursionError:
        return None, "nested too deep"
    except ValueError as error:
        return None, f"not JSON: {error}"[:200]


def is_too_deep(value: Any) -> bool:
    """Whether objects and lists in `value` nest deeper than we take over from anybody."""
    level = [value] if isinstance(value, Mapping | list) else []
    for _ in range(_DEEPEST):
        inner = (each.values() if isinstance(each, Mapping) else each for each in level)
        level = [item for items in inner for item in items if isinstance(item, Mapping | list)]
        if not level:
            return False
    return True


def _finite(number: str) -> float | None:
    """The number, or None for what can be read and never written again: NaN, Infinity, 1e999."""
    value = float(number)
    return value if math.isfinite(value) else None


def without_surrogates(value: Any) -> Any:
    """`value` with every lone surrogate in its strings and keys replaced, so that it can be encoded.

    Raises `RecursionError` when it nests too deep.
    """
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list | tuple):
        return [without_surrogates(item) for item in value]
    if isinstance(value, Mapping):
        return {without_surrogates(key): without_surrogates(item) for key, item in value.items()}
    return value


def text_of(body: Json, key: str, default: str = "") -> str:
    """The text at `key`, or `default` if there is none or something else."""
    value = body.get(key)
    return value if isinstance(value, str) else default


def maybe_text(body: Json, key: str) -> str | None:
    """The text at `key`, if it is one."""
    value = body.get(key)
    return value if isinstance(value, str) else None


def int_of(body: Json, key: str, default: int = 0) -> int:
    """The number at `key` as a whole one, or `default`."""
    value = maybe_int(body, key)
    return default if value is None else value


def maybe_int(body: Json, key: str) -> int | None:
    """The number at `key` as a whole one, if it is one that fits."""
    number = maybe_float(body, key)
    if number is None:
        return None
    value = body[key]
    return value if isinstance(value, int) else int(number)


def float_of(body: Json, key: str, default: float = 0.0) -> float:
    """The number at `key`, or `default`."""
    value = maybe_float(body, key)
    return default if value is None else value


def maybe_float(body: Json, key: str) -> float | None:
    """The number at `key`, if it is a finite one that fits."""
    value = body.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Compared as it is: a float rounds, and cannot hold the largest; NaN is not smaller either.
    return float(value) if -_LARGEST <= value <= _LARGEST else None


def flag_of(body: Json, key: str) -> bool:
    """Whether the value at `key` is true itself."""
    return body.get(key) is True


def object_of(body: Json, key: str) -> Json:
    """The object at `key`, or an empty one."""
    value = body.get(key)
    return value if isinstance(value, Mapping) else _EMPTY


def maybe_object(body: Json, key: str) -> Json | None:
    """The object at `key`, if it is one."""
    value = body.get(key)
    return value if isinstance(value, Mapping) else None


def objects_of(body: Json, key: str) -> list[Json]:
    """The objects in the list at `key`; what else is in it is left out."""
    value = body.get(key)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def texts_of(body: Json, key: str) -> tuple[str, ...]:
    """The strings in the list at `key`; what else is in it is left out."""
    value = body.get(key)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list | tuple) else ()
