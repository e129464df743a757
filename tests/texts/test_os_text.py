"""Any bytes of the system, cleaned, fit into JSON and come back the same."""

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from texts.os_text import clean, decoded, is_clean


@given(st.binary())
@example(b"caf\xe9")
@example(b"\xed\xa0\x80")
def test_cleaned_text_fits_everywhere(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    assert is_clean(clean(text))
    assert msgspec.json.decode(msgspec.json.encode(clean(text))) == clean(text)
    assert is_clean(text) is (text == clean(text)) is (decoded(data).encode() == data)
