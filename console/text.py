"""Makes text safe to print: text from Claude, tools and other people must not control the terminal."""

import re

from texts.unseen import without_unseen

# Control sequences as a whole (ECMA-48: CSI, and OSC, DCS, SOS, PM, APC up to their end), then other escapes.
_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]).*?(?:\x07|\x1b\\|\x9c|$)"
    r"|\x1b[ -/]*[0-~]?",
    re.DOTALL,
)
# Other control characters, but not tab and newline.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


def clean(text: str) -> str:
    """Return `text` with newlines as line ends, without control sequences, controls and invisible characters.

    Tabs stay.
    """
    # Sequences first: without their first character, the rest of them would be shown as text.
    text = _SEQUENCES.sub("", text)
    text = _LINE_ENDS.sub("\n", text)
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", without_unseen(_CONTROLS.sub("", text)))


def one_line(text: str, width: int) -> str:
    """Return the cleaned `text` on one line of at most `width` characters."""
    line = " ".join(clean(text).split())
    return line if len(line) <= width else f"{line[: max(0, width - 1)].rstrip()}…"
