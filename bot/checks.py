"""The checks of `doctor` as `/admin doctor` shows them. `bridge/discord_face.py` runs them."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.bodies import Card
from bot.cards import QUIET, TROUBLED
from bot.markdown.cards import escape_inline
from bot.wording import counted

_MOST_CHARS = 3_800
_WORDS_CHARS = 300


class Mark(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the machine, the CLI or Discord: its result, and a remedy if there is one to take."""

    name: str
    mark: Mark
    sentence: str
    remedy: str = ""


Examine = Callable[[], Awaitable[Sequence[Check]]]
"""Runs all checks. Their sentences have no paths of the machine."""


async def no_checks() -> Sequence[Check]:
    """Return no checks, for a face that has none."""
    return ()


def checks_card(checks: Sequence[Check]) -> Card:
    """Return the card of the checks: failed ones first, with their remedies; those that passed by name."""
    failed = sum(each.mark is Mark.FAILED for each in checks)
    heading = f"**{counted(failed, 'check')} failed**" if failed else "**Nothing failed**"
    lines = "\n".join(_lines(checks))[:_MOST_CHARS]
    return Card((heading, lines or "There are no checks here."), accent=TROUBLED if failed else QUIET)


def _lines(checks: Sequence[Check]) -> Iterator[str]:
    for mark, word in ((Mark.FAILED, "Failed"), (Mark.WARNING, "Look at")):
        for each in (check for check in checks if check.mark is mark):
            sentence = escape_inline(each.sentence, _WORDS_CHARS)
            yield f"**{word}: {escape_inline(each.name, 40)}** · {sentence}"
            if each.remedy:
                yield f"-# → {escape_inline(each.remedy, _WORDS_CHARS)}"
    for mark, words in ((Mark.OK, "**In order**: "), (Mark.SKIPPED, "-# Not checked: ")):
        # Several checks may have one name: a list of passed ones names it once.
        names = dict.fromkeys(escape_inline(each.name, 40) for each in checks if each.mark is mark)
        if names:
            yield words + ", ".join(names)
