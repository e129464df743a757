"""The text of `.env.example`, generated from the settings, so that both always agree.

To renew it after a change: `.venv/bin/python -m bridge.settings_example > .env.example`.
"""

import textwrap
from collections.abc import Iterator, Mapping

from bridge.settings import SETTINGS

_WIDTH = 110
_HEAD = """\
# Settings of the Claude-Discord Bridge. Copy this file to .env, chmod 600 .env, and change what you need.
# A variable of the environment comes before a line here; a setting without a value has its default.
# Durations are in seconds. Lists are divided by commas or spaces. Relative paths begin where the bridge starts.
"""


def example_text() -> str:
    """Return the text of `.env.example`. A setting with a default is commented out; others have no value."""
    return "\n".join(_lines()) + "\n"


def line_numbers() -> Mapping[str, int]:
    """Return the line number of each setting in `.env.example`, from 1, by the name of its field."""
    starts = {f"{name.upper()}=": name for name in SETTINGS}
    return {
        starts[start]: number
        for number, line in enumerate(_lines(), start=1)
        for start in [line.removeprefix("#").partition("=")[0] + "="]
        if start in starts
    }


def _lines() -> Iterator[str]:
    yield from _HEAD.splitlines()
    for name, setting in SETTINGS.items():
        yield ""
        for text in (setting.does, f"Write: {setting.write}. Default: {setting.default or 'none'}."):
            yield from (f"# {line}" for line in textwrap.wrap(text, _WIDTH, break_on_hyphens=False))
        # `init` looks for this form, and writes a value where its explanation stands.
        yield f"#{name.upper()}={setting.default}" if setting.default else f"{name.upper()}="


if __name__ == "__main__":
    print(example_text(), end="")
