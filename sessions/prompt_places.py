"""The places in a prompt template: `{name}`. Pure."""

import re
from collections.abc import Mapping

_PLACE = re.compile(r"\{\{|\}\}|\{([^\W\d_][\w -]{0,39})\}")
"""A place is a word or a few in braces. Doubled braces stand for one; other braces are text, as in code."""


def places_of(text: str) -> tuple[str, ...]:
    """Return the names of the places in `text`, each once, in order."""
    return tuple(dict.fromkeys(found[1] for found in _PLACE.finditer(text) if found[1]))


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with each place replaced by its value. Values are text: places in them are not replaced.

    Raises `KeyError` with the name of a place that has no value.
    """
    return _PLACE.sub(lambda found: values[found[1]] if found[1] else found[0][0], text)
