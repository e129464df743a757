"""The checker: judges a history against the one claim, nothing lost and nothing twice.

    python -m tests.chaos.check DIRECTORY [--at-rest]

prints every broken rule and ends with 1, or with 0 if there is none. See `history.py` for what is in the
directory. `--at-rest` says that all work was done and the bridge was stopped with nothing left to do: then no
prompt may be unfinished and nothing may be left over. Truth comes from the raw logs (`truth.py`).
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.history import History, read_history
from tests.chaos.judge_asks import judge_asks
from tests.chaos.judge_blocks import judge_blocks, judge_offsets
from tests.chaos.judge_discord import judge_discord, judge_traffic
from tests.chaos.judge_prompts import judge_inputs, judge_prompts
from tests.chaos.judge_state import judge_shown, judge_state
from tests.chaos.leftovers import judge_leftovers
from tests.chaos.rules import Violation
from tests.chaos.truth import truth_of


def violations(history: History, *, at_rest: bool) -> list[Violation]:
    """Every broken rule. With `at_rest` also what is left undone or left over."""
    found = list(broken_rules(history, at_rest=at_rest))
    return found + (list(judge_leftovers(history.root)) if at_rest else [])


def broken_rules(history: History, *, at_rest: bool) -> Iterator[Violation]:
    """Judge the history alone, whatever is left on the machine."""
    for session_id in history.session_ids():
        truth = truth_of(history.hosts.get(session_id, ()))
        yield from judge_blocks(history, session_id, truth)
        yield from judge_offsets(history, session_id, truth)
        yield from judge_inputs(history, session_id, truth)
        yield from judge_prompts(history, session_id, truth, at_rest=at_rest)
        yield from judge_asks(history, session_id, truth)
        yield from judge_state(history, session_id)
        yield from judge_shown(history, session_id)
        yield from judge_discord(history, session_id, truth)
    yield from judge_traffic(history)


def main() -> int:
    """Judge the directory that the command line names."""
    words = sys.argv[1:]
    history = read_history(Path(words[0]))
    found = violations(history, at_rest="--at-rest" in words)
    for each in found:
        print(each)
    lines = sum(1 for hosts in history.hosts.values() for logs in hosts for _ in logs.lines())
    print(
        f"{len(found)} violations; {len(history.tables['sessions'])} sessions, "
        f"{sum(map(len, history.hosts.values()))} hosts, {lines} lines, "
        f"{len(history.tables['events'])} events, "
        f"{len(history.did('accepted'))} prompts, {len(history.tables['asks'])} asks"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
