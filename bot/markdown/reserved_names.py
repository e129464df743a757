"""Names such as `__init__.py` and `__main__` in running text: names, not bold words.

Markdown reads `__init__` as bold, but whoever writes it without backticks means the name.
"""

import re

# Any other word between double underscores is bold, unless it stands in a path or a call.
_NAMES = (
    "all|bases|call|class|contains|debug|del|dict|dirname|doc|enter|eq|exit|file|filename|fixtures|future|get"
    "|getattr|getitem|hash|import|init|init_subclass|iter|len|main|mocks|module|name|new|next|post_init|proto"
    "|pycache|repr|set|setattr|slots|snapshots|str|tests|typename|version"
)
_IN_A_PATH = r"__[a-z][a-z0-9_]{0,40}?__(?=[./(][a-zA-Z0-9_)])"
_NAME = re.compile(rf"__(?:{_NAMES})__(?![A-Za-z0-9_])|{_IN_A_PATH}")
_BEGUN = re.compile(r"__[a-z][a-z0-9_]{0,40}[./(]?\Z|__\Z")


def reserved_name(text: str, at: int) -> int | None:
    """Return the place after the name that begins at `at`; None if there is none."""
    found = _NAME.match(text, at)
    return found.end() if found is not None else None


def may_become_reserved_name(text: str, at: int) -> bool:
    """Say whether further text could turn the text from `at` on into such a name."""
    return _BEGUN.match(text, at) is not None
