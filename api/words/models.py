"""A model's name for people."""

import re

_FULL_NAME = re.compile(r"claude-([a-z]+)-(\d{1,2})(?:-(\d{1,2}))?(?:-\d{8})?(\[\w+\])?")


def short_model(model: str) -> str:
    """Return `opus 4.5` for `claude-opus-4-5-20251101`; other names unchanged. Not escaped for any face."""
    found = _FULL_NAME.fullmatch(model)
    if found is None:
        return model
    return f"{found[1]} {found[2]}{f'.{found[3]}' if found[3] else ''}"
