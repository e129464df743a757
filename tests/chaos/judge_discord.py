"""Discord shows every text of the logs in its session's thread, once, in order.

`discord.ndjson` has one JSON object a message that exists at the end, oldest first: `thread`, `by_bot`, `text`.
Posts are laid out for reading, so words are compared, not marks; every text in these runs ends in a digest that
occurs nowhere else, so that one shown twice is found.

`traffic.json` is one JSON object: `requests`, how many of them were `invalid` (answered 401, 403 or 429, but
for limits that others used up), and `starts_s`, when sessions with the gateway were started, in seconds.
"""

import json
import re
from collections.abc import Iterator

from tests.chaos.history import History
from tests.chaos.rules import Rule, Violation
from tests.chaos.truth import Truth

_FEW = 5  # a global limit meets all that is under way at that moment
_DAY_S = 86_400.0
_STARTS_PER_DAY = 1000
_WORD = re.compile(r"\w+")
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")


def judge_discord(history: History, session_id: str, truth: Truth) -> Iterator[Violation]:
    """Nothing is judged of a session without messages in Discord."""
    session = next(row for row in history.tables["sessions"] if row["id"] == session_id)
    shown = [
        each["text"]
        for each in history.discord
        if each["by_bot"] and session["channel_id"].endswith(str(each["thread"]))
    ]
    if not shown:
        return
    words = _WORD.findall("\n".join(shown))
    texts = [json.loads(block.said) for block in truth.blocks]
    start = 0
    for said in (each["text"] for each in texts if each["type"] == "text"):
        wanted = _WORD.findall(said)
        place = find_words(words, wanted, start)
        if place < 0:
            rule = Rule.POST_ORDER if find_words(words, wanted, 0) >= 0 else Rule.POST_LOST
            yield Violation(rule, session_id, said[-100:])
            continue
        start = place + len(wanted)
        for digest in _DIGEST.findall(said):
            if words.count(digest) > 1:
                yield Violation(Rule.POST_TWICE, session_id, digest)


def judge_traffic(history: History) -> Iterator[Violation]:
    """Discord bans who makes many invalid requests, and resets the token of who starts too many sessions."""
    if history.traffic is None:
        return
    requests, invalid = history.traffic["requests"], history.traffic["invalid"]
    starts = sorted(history.traffic["starts_s"])
    # Discord counts on when the bot has died: a life may learn of a limit by meeting it, once.
    if invalid > max(_FEW, requests / 100, len(starts)):
        yield Violation(Rule.REQUESTS_INVALID, "", f"{invalid} of {requests} in {len(starts)} starts")
    for first, last in zip(starts, starts[_STARTS_PER_DAY:], strict=False):
        if last - first < _DAY_S:
            yield Violation(Rule.STARTS_OVER_BUDGET, "", f"{_STARTS_PER_DAY + 1} in {last - first:.0f} s")
            return


def find_words(words: list[str], wanted: list[str], start: int) -> int:
    """Where `wanted` stands in `words` from `start` on, or -1."""
    for place in range(start, len(words) - len(wanted) + 1):
        if words[place : place + len(wanted)] == wanted:
            return place
    return -1
