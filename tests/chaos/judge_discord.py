"""What Discord shows is what the logs say: every text in its session's thread, once, in order.

`discord.ndjson` has one JSON object a message that exists at the end, oldest first: `thread`, `by_bot`, `text`.
Posts are laid out for reading, so words are compared, not marks; every text in these runs ends in a digest that
occurs nowhere else, so that one shown twice is found.
"""

import json
import re
from collections.abc import Iterator

from tests.chaos.history import History
from tests.chaos.rules import Rule, Violation
from tests.chaos.truth import Truth

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


def find_words(words: list[str], wanted: list[str], start: int) -> int:
    """Where `wanted` stands in `words` from `start` on, or -1."""
    for place in range(start, len(words) - len(wanted) + 1):
        if words[place : place + len(wanted)] == wanted:
            return place
    return -1
