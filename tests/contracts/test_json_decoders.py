"""The JSON decoder as its callers see it: it raises `ValueError` or `RecursionError`, and nothing else."""

import msgspec
import pytest


class Facts(msgspec.Struct):
    number: int = 0


DEEP = 100_000
BROKEN: dict[str, bytes | str] = {
    "nothing": b"",
    "no JSON": b"{",
    "another type": b"[]",
    "a field of another type": b'{"number": "7"}',
    "no UTF-8": b'{"number": "\xff"}',
    "no UTF-8 in a text": b'"\xff"',
    "a lone surrogate": '"\ud800"',
    "half a pair": rb'"\ud800"',
    "a number without end": b"1" * DEEP + b".e",
    "deep": b"[" * DEEP,
    "deep in an unknown field": b'{"more": ' + b"[" * DEEP + b"]" * DEEP + b"}",
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("kind", [Facts, str])
def test_it_raises_one_of_two_errors(raw: bytes | str, kind: type) -> None:
    with pytest.raises((ValueError, RecursionError)):
        msgspec.json.decode(raw, type=kind)
