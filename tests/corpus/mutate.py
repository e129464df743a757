"""Mutants of JSON that know what JSON is, and of bytes that know nothing: the same ones from the same seed.

A mutant is a value or its bytes with one to three things wrong. What that does is for others to say.
"""

import json
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

# Put in as text and exchanged for what `json.dumps` cannot write.
_MARK = "\ue000"
_DEEP = f"{_MARK}deep"
_TWICE = f"{_MARK}twice"
_DEEP_TEXT = re.compile(rf'"{_DEEP}([\[{{])(\d+)[^"]*"')

_LONGEST = 300_000
_LONG = "x" * 5000
_IDS = ("", "../../../../tmp/evil", "--settings={}", "0" * 36, _LONG, "01890000-0000-7000-8000-00000000000A")
_TEXTS = (
    "\0",
    "\ud83d",
    "\u2028\u2029\x85",
    "\ufeff",
    "half \udc00",
    "a" * 70_000,
    "@everyone",
    "\x1b[2J",
    "%s%n{0}",
)
_NUMBERS = (
    -1,
    0,
    1,
    1.5,
    -0.0,
    2**31,
    2**53 + 1,
    2**63,
    -(2**63) - 1,
    10**400,
    1e308,
    float("nan"),
    float("inf"),
)
_OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [[]], [None], {"": ""}, [{}], {"type": "text"})
STRANGE: tuple[Any, ...] = (*_IDS, *_TEXTS, *_NUMBERS, *_OTHERS)

Place = tuple[Any, Any]


def mutant_of_json(random: Random, body: Any, others: Sequence[Any] = ()) -> bytes:
    """`body`, which is changed, with up to three things wrong, as bytes. `others` lend parts of theirs."""
    wrapped = [body]
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        random.choice(_CHANGES)(random, wrapped, others)
    return _written(random, wrapped[0])


def mutant_of_bytes(random: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """`data` cut, glued, with bits flipped, bytes put in or taken out: as a disk or a torn write leaves it."""
    return random.choice(_DAMAGES)(random, data, others)


def places(value: Any) -> list[Place]:
    """Every place in `value` that holds a value: its container, and the key or index there."""
    found: list[Place] = []
    waiting = [value]
    while waiting:
        each = waiting.pop()
        keys: Any = each if isinstance(each, dict) else range(len(each)) if isinstance(each, list) else ()
        for key in keys:
            found.append((each, key))
            waiting.append(each[key])
    return found


# --- changes of values ----------------------------------------------------------------------------------


def _place(random: Random, root: Any) -> Place:
    found = places(root)
    return random.choice(found) if found else (root, 0)


def _replace(random: Random, root: Any, others: Sequence[Any]) -> None:
    container, key = _place(random, root)
    container[key] = random.choice(STRANGE)


def _drop(random: Random, root: Any, others: Sequence[Any]) -> None:
    container, key = _place(random, root)
    if container is not root:
        del container[key]


def _swap(random: Random, root: Any, others: Sequence[Any]) -> None:
    (first, one), (second, other) = _place(random, root), _place(random, root)
    if not isinstance(first[one], dict | list) and not isinstance(second[other], dict | list):
        first[one], second[other] = second[other], first[one]


def _borrow(random: Random, root: Any, others: Sequence[Any]) -> None:
    """A value from elsewhere, best from under the same key of another body."""
    container, key = _place(random, root)
    if not others:
        return
    lent = places(random.choice(others))
    same = [place for place in lent if place[1] == key]
    if lent:
        source, where = random.choice(same or lent)
        container[key] = json.loads(json.dumps(source[where]))


def _rename(random: Random, root: Any, others: Sequence[Any]) -> None:
    container, key = _place(random, root)
    if isinstance(container, dict):
        container[random.choice(("", "type", "\ud83d", f"{key}s", "k" * 3000))] = container.pop(key)


def _repeat(random: Random, root: Any, others: Sequence[Any]) -> None:
    container, key = _place(random, root)
    value = container[key]
    if isinstance(value, list) and value:
        container[key] = value * random.choice((2, 3, 50))
    elif isinstance(value, str):
        container[key] = (value * random.choice((2, 3000)))[:_LONGEST] if len(value) < _LONGEST else value
    elif isinstance(value, dict):
        container[key] = [value, json.loads(json.dumps(value))]


def _nest(random: Random, root: Any, others: Sequence[Any]) -> None:
    container, key = _place(random, root)
    depth = random.choice((1, 2, 100, 200, 400, 900, 5000))
    if depth > 2:
        container[key] = f"{_DEEP}{random.choice('[{')}{depth}"
    else:
        container[key] = random.choice(([container[key]], {str(key): container[key]}))


def _twice(random: Random, root: Any, others: Sequence[Any]) -> None:
    container, key = _place(random, root)
    if isinstance(container, dict):
        container[f"{_TWICE}{key}"] = random.choice(STRANGE)


_Change = Callable[[Random, Any, Sequence[Any]], None]
_CHANGES: tuple[_Change, ...] = (
    _replace, _replace, _replace, _drop, _swap, _borrow, _borrow, _rename, _repeat, _nest, _twice,
)  # fmt: skip


def _written(random: Random, value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=random.random() < 0.5, separators=(",", ":"))
    text = text.replace("\\ue000", _MARK).replace(_TWICE, "")
    text = _DEEP_TEXT.sub(lambda found: nested(found[1], int(found[2])), text)
    # A lone surrogate that is not escaped is no UTF-8: the bytes are wrong on purpose.
    return text.encode("utf-8", "surrogatepass")


def nested(kind: str, depth: int) -> str:
    """`depth` lists or objects, each within the one before."""
    return "[" * depth + "]" * depth if kind == "[" else '{"a":' * depth + "1" + "}" * depth


# --- damage to bytes ------------------------------------------------------------------------------------


def _span(random: Random, data: bytes) -> tuple[int, int]:
    start = random.randrange(len(data) + 1)
    return start, min(len(data), start + random.choice((1, 2, 10, 1000)))


def _truncate(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _behead(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    return data[random.randrange(len(data) + 1) :]


def _flip(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    flipped = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8)) if data else 0):
        flipped[random.randrange(len(flipped))] ^= 1 << random.randrange(8)
    return bytes(flipped)


def _put_in(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    start, _ = _span(random, data)
    strange = (
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
        "\u2028".encode(),
        b"\\u0000",
        b'"',
        b"\\",
        b"\0" * 4096,
        b"}{",
        b",",
    )
    return data[:start] + random.choice(strange) + data[start:]


def _take_out(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    start, end = _span(random, data)
    return data[:start] + data[end:]


def _double(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    start, end = _span(random, data)
    return data[:end] + data[start:]


def _glue(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A line that was torn, and the next one right behind it."""
    return _truncate(random, data, others) + (random.choice(others) if others else data)


_Damage = Callable[[Random, bytes, Sequence[bytes]], bytes]
_DAMAGES: tuple[_Damage, ...] = (_truncate, _behead, _flip, _flip, _put_in, _take_out, _double, _glue)
