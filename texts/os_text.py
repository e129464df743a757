"""Text from the operating system: arguments, file names, typed and piped input.

Python decodes bytes that are not UTF-8 as lone surrogates. Only the system takes those back: JSON, the database
and messages refuse them. So text for these is cleaned as soon as it comes in, like text from Claude's CLI. A
path that will be opened must not be cleaned.
"""

import re
from typing import Any

_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """Return the text with U+FFFD for each byte that was not UTF-8."""
    return _SURROGATE.sub("\ufffd", text)


def cleaned(value: Any) -> Any:
    """Return a parsed argument with its text cleaned: a string or a list of strings; others as they are."""
    if isinstance(value, str):
        return clean(value)
    return [cleaned(each) for each in value] if isinstance(value, list) else value


def is_clean(text: str) -> bool:
    """Whether the text contains no lone surrogates, so that JSON and the database accept it."""
    return _SURROGATE.search(text) is None


def decoded(data: bytes) -> str:
    """Decode `data` as UTF-8, with U+FFFD for invalid bytes."""
    return data.decode("utf-8", "replace")
