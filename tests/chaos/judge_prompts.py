"""Every accepted prompt started exactly one turn, and what was sent is what its rows say."""

import uuid
from collections import Counter
from collections.abc import Iterator

from tests.chaos.history import History, Row
from tests.chaos.rules import Rule, Violation
from tests.chaos.truth import Truth

# Told once more than in the code under test: whoever changes it there makes old prompts run again.
_NAMESPACE = uuid.UUID("5f0c9f0e-6f3b-5e0a-9d0b-0d7f1c2a4b61")
_ENDED = frozenset({"done", "failed", "interrupted", "cut", "withdrawn"})


def judge_prompts(history: History, session_id: str, truth: Truth, *, at_rest: bool) -> Iterator[Violation]:
    turns = history.of("turns", session_id)
    by_origin: dict[str, list[Row]] = {}
    for turn in turns:
        by_origin.setdefault(turn["origin"], []).append(turn)
    accepted = {each["origin"]: each for each in history.did("accepted") if each["session"] == session_id}
    for origin, note in accepted.items():
        mine = by_origin.get(origin, [])
        if len(mine) > 1:
            yield Violation(Rule.PROMPT_TWICE, session_id, origin)
        elif not mine or mine[0]["id"] != note["turn"]:
            yield Violation(Rule.PROMPT_LOST, session_id, origin)
        elif mine[0]["prompt_uuid"] != str(uuid.uuid5(_NAMESPACE, origin)):
            yield Violation(Rule.PROMPT_TWICE, session_id, f"{origin} would be a new prompt to the CLI")
    yield from _judge_prompt_uuids(turns, session_id)
    ends = Counter(
        _turn_of(event) for event in history.of("events", session_id) if event["kind"] == "turn_ended"
    )
    again = Counter(
        _turn_of(event) for event in history.of("events", session_id) if event["kind"] == "turn_requeued"
    )
    for turn in turns:
        if at_rest and turn["status"] not in _ENDED:
            yield Violation(Rule.PROMPT_UNFINISHED, session_id, f"turn {turn['number']} is {turn['status']}")
        if ends[turn["id"]] > 1 + again[turn["id"]]:
            yield Violation(Rule.TURN_ENDED_TWICE, session_id, f"turn {turn['number']}")
        if turn["prompt_uuid"] and turn["kind"] != "elsewhere":
            yield from _judge_runs(turn, session_id, truth, history.transcript_uuids)


def _turn_of(event: Row) -> str:
    import json

    return str(json.loads(event["body"])["turn_id"])


def _judge_prompt_uuids(turns: list[Row], session_id: str) -> Iterator[Violation]:
    counted = Counter(turn["prompt_uuid"] for turn in turns if turn["prompt_uuid"])
    for prompt, times in counted.items():
        if times > 1:
            yield Violation(Rule.PROMPT_TWICE, session_id, prompt)


def _judge_runs(
    turn: Row, session_id: str, truth: Truth, transcript_uuids: frozenset[str]
) -> Iterator[Violation]:
    """A prompt runs once; again only on a later host, and only if no earlier log holds its result."""
    prompt = turn["prompt_uuid"]
    done_on = truth.done_on(prompt)
    runs = [host.number for host in truth.hosts for _ in range(host.started[prompt])]
    again = len(runs) != len(set(runs)) or (done_on and any(run > done_on[0] for run in runs))
    if again or len(done_on) > 1:
        detail = f"turn {turn['number']}: started on hosts {runs}, done on {done_on}"
        yield Violation(Rule.PROMPT_RAN_AGAIN, session_id, detail)
    # A full disk can swallow every line that names a prompt: then only Claude's transcript tells of it.
    is_logged = runs or any(host.echoed[prompt] for host in truth.hosts)
    if turn["status"] == "done" and not is_logged and prompt not in transcript_uuids:
        yield Violation(Rule.PROMPT_LOST, session_id, f"turn {turn['number']} is done, but nothing has it")
    last = next((result for _, result in truth.results if prompt in result.prompt_uuids), None)
    if last is None:
        return
    expected = "failed" if last.is_error else "done"
    expected = "interrupted" if last.terminal_reason.startswith("aborted") else expected
    if turn["status"] != expected:
        detail = f"turn {turn['number']} is {turn['status']}, the log says {expected}"
        yield Violation(Rule.OUTCOME_DIFFERS, session_id, detail)


def judge_inputs(history: History, session_id: str, truth: Truth) -> Iterator[Violation]:
    """The input log is its rows, one after the other; nothing in it is broken or there twice."""
    rows = history.of("inputs", session_id)
    ended = {row["number"] for row in history.of("hosts", session_id) if row["status"] == "ended"}
    for host in truth.hosts:
        if host.broken_inputs and host.number not in ended:
            yield Violation(Rule.INPUT_BROKEN, session_id, f"host {host.number}")
        mine = [(row["start"], row["token"]) for row in rows if row["host"] == host.number]
        sent = Counter(token for _, token in host.tokens)
        for token, times in sent.items():
            if times > 1:
                yield Violation(Rule.INPUT_TWICE, session_id, f"host {host.number}: {token}")
        if not mine and host.number in ended:
            continue  # what an ended host was sent is forgotten with its directory
        unsent = mine[len(host.tokens) :]
        if mine[: len(host.tokens)] != host.tokens or (unsent and host.number not in ended):
            detail = f"host {host.number}: {len(host.tokens)} lines, {len(mine)} rows"
            yield Violation(Rule.INPUT_MISPLACED, session_id, detail)
