"""The text of `.env.example`, made from the settings, so that neither can say what the other does not.

To renew it after a change: `.venv/bin/python -m bridge.settings_example > .env.example`.
"""

import textwrap
from collections.abc import Iterator, Mapping
from enum import Enum

from pydantic.fields import FieldInfo

_WIDTH = 110
_HEAD = """\
# Settings of the Claude-Discord Bridge. Copy this file to .env, chmod 600 .env, and change what you need.
# A variable of the environment comes before a line here; a setting without a value has its default.
# Durations are in seconds. Lists are divided by commas or spaces. Relative paths begin where the bridge starts.
"""


def what_to_write(field: FieldInfo) -> str:
    """What a person may write for it."""
    return str(_extra(field)["write"])


def default_of(field: FieldInfo) -> str:
    """The default as one writes it; empty if there is none."""
    shown = _extra(field)["shown"]
    if shown is not None:
        return str(shown)
    default = field.default
    if default is None or default == frozenset():
        return ""
    return str(default.value if isinstance(default, Enum) else default)


def example_text(fields: Mapping[str, FieldInfo]) -> str:
    """The whole `.env.example`. A setting with a default is commented out, one without waits for its value."""
    return "\n".join(_lines(fields)) + "\n"


def line_numbers(fields: Mapping[str, FieldInfo]) -> Mapping[str, int]:
    """The line of each setting in `.env.example`, counted from 1."""
    starts = {f"{field.upper()}=": field for field in fields}
    return {
        starts[start]: number
        for number, line in enumerate(_lines(fields), start=1)
        for start in [line.removeprefix("#").partition("=")[0] + "="]
        if start in starts
    }


def _lines(fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    yield from _HEAD.splitlines()
    for name, field in fields.items():
        default = default_of(field)
        yield ""
        for text in (field.description or "", f"Write: {what_to_write(field)}. Default: {default or 'none'}."):
            yield from (f"# {line}" for line in textwrap.wrap(text, _WIDTH, break_on_hyphens=False))
        yield f"#{name.upper()}={default}" if default else f"{name.upper()}="


def _extra(field: FieldInfo) -> Mapping[str, object]:
    extra = field.json_schema_extra
    if not isinstance(extra, dict):
        raise TypeError("a setting is made with `_setting` of bridge/settings.py")
    return extra


def main() -> None:
    """Print `.env.example`."""
    from bridge.settings import Settings  # it imports this module

    print(example_text(Settings.model_fields), end="")


if __name__ == "__main__":
    main()
