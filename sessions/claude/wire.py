"""Bytes to JSON, and JSON to values of a known type, without ever raising.

What the CLI prints is not ours: a line may hold lone surrogates (a JavaScript string that was cut inside an
emoji), nest thousands deep, or be no JSON at all, and a field may be missing or of another type than last
week. So decoding answers None where it cannot, and each getter answers its default.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

Json = Mapping[str, Any]

_EMPTY: Json = {}
_SURROGATE = re.compile("[\ud800-\udfff]")
_decoder = msgspec.json.Decoder()


def decode(line: bytes) -> tuple[Any, str]:
    """The JSON value of `line` and "", or None and the reason why there is none.

    Lone surrogates and bytes that are not UTF-8 become U+FFFD.
    """
    try:
        return _decoder.decode(line), ""
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return without_surrogates(json.loads(line.decode("utf-8", "replace"))), ""
    except RecursionError:
        return None, "nested too deep"
    except ValueError as error:
        return None, f"not JSON: {error}"[:200]


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
    value = body.get(key)
    return value if isinstance(value, str) else default


def maybe_text(body: Json, key: str) -> str | None:
    value = body.get(key)
    return value if isinstance(value, str) else None


def int_of(body: Json, key: str, default: int = 0) -> int:
    value = maybe_int(body, key)
    return default if value is None else value


def maybe_int(body: Json, key: str) -> int | None:
    value = body.get(key)
    if isinstance(value, float) and math.isfinite(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def float_of(body: Json, key: str, default: float = 0.0) -> float:
    value = maybe_float(body, key)
    return default if value is None else value


def maybe_float(body: Json, key: str) -> float | None:
    value = body.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def flag_of(body: Json, key: str) -> bool:
    return body.get(key) is True


def object_of(body: Json, key: str) -> Json:
    value = body.get(key)
    return value if isinstance(value, Mapping) else _EMPTY


def maybe_object(body: Json, key: str) -> Json | None:
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
