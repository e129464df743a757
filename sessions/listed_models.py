"""The models that Claude lists, and the doubt about a name that is not among them.

Claude Code takes any name and fails with the next turn, so a misspelled one is worth a word. It is not refused:
a company's own gateway has names of its own.
"""

import re
from dataclasses import dataclass

_FAMILIES = ("opus", "sonnet", "haiku", "fable", "opusplan", "default", "best")
# Whole names, and the signs that names of clouds and gateways have.
_WHOLE_NAME = re.compile(r"claude-|.*[/:.@]")
_SUFFIX = re.compile(r"\[\w+\]\Z")


@dataclass(slots=True)
class ListedModels:
    """The names that the newest process listed; empty before the first process."""

    listed: tuple[str, ...] = ()

    def doubts(self, model: str) -> str:
        """Return a sentence if `model` looks misspelled, else an empty text. Whole names are believed."""
        name = _SUFFIX.sub("", model.lower())
        if name in _FAMILIES or name in self.listed or model in self.listed or _WHOLE_NAME.match(name):
            return ""
        known = ", ".join(self.listed or _FAMILIES[:3])
        return (
            f"Claude lists no model {model}; it lists {known}. If its service does not know the name either,"
            " the next turn fails. Then choose another model."
        )
