"""Parts that are cut elsewhere are other bytes."""

import pytest

from texts.framing import framed


@pytest.mark.parametrize("other", [(b"a\0b",), (b"a", b"\0b"), (b"a\0", b"b"), (b"a", b"b", b""), ()])
def test_other_parts_give_other_bytes(other: tuple[bytes, ...]) -> None:
    assert framed(other) != framed((b"a", b"b"))
