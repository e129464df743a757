"""Text from the operating system: arguments, names of files, what is typed or piped in.

Python gives bytes that are not UTF-8 as lone surrogates. Those can be handed back to the system, and nowhere
else: they fit into no JSON, no database and no message. Text that goes there is cleaned as soon as it comes in,
as text from Claude's CLI is; a path that is opened is not.
"""

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """The text with each byte that was not UTF-8 as U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def is_clean(text: str) -> bool:
    """Whether the text fits wherever text goes."""
    return _SURROGATE.search(text) is None


def decoded(data: bytes) -> str:
    """`data` as text: UTF-8, and U+FFFD for what is not."""
    return data.decode("utf-8", "replace")
