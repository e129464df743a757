"""Every ask is stored once, answered at most once, and its answer took effect."""

import json
from collections import Counter
from collections.abc import Iterator

from tests.chaos.history import History, Row
from tests.chaos.rules import Rule, Violation
from tests.chaos.truth import LoggedHost, Truth


def judge_asks(history: History, session_id: str, truth: Truth) -> Iterator[Violation]:
    rows = {(row["host"], row["request_id"]): row for row in history.of("asks", session_id)}
    logged = {(ask.host, ask.request_id): ask for ask in truth.asks}
    for place in logged.keys() - rows.keys():
        yield Violation(Rule.ASK_LOST, session_id, f"host {place[0]}: {place[1]}")
    for place in rows.keys() - logged.keys():
        yield Violation(Rule.ASK_INVENTED, session_id, f"host {place[0]}: {place[1]}")
    hosts = {host.number: host for host in truth.hosts}
    broken_off = {
        row["number"] for row in history.of("hosts", session_id) if row["reason"] or row["exit_code"] != 0
    }
    decided = Counter(
        str(json.loads(event["body"])["ask_id"])
        for event in history.of("events", session_id)
        if event["kind"] == "ask_decided"
    )
    for place in rows.keys() & logged.keys():
        row, host = rows[place], hosts[place[0]]
        if len(host.answers[place[1]]) > 1 or len(host.answer_echoes[place[1]]) > 1 or decided[row["id"]] > 1:
            yield Violation(Rule.ASK_ANSWERED_TWICE, session_id, place[1])
        else:
            tool_use_id = logged[place].tool_use_id
            yield from _judge_effect(row, host, truth.tool_errors.get(tool_use_id), place[0] in broken_off)
        yield from _judge_people(row, history)


def _judge_effect(row: Row, host: LoggedHost, failed: bool | None, broken_off: bool) -> Iterator[Violation]:
    sent, echoed = host.answers[row["request_id"]], host.answer_echoes[row["request_id"]]
    session_id = row["session_id"]
    if row["status"] != "decided":
        if sent:
            yield Violation(
                Rule.ANSWER_CHANGED, session_id, f"{row['id']} was answered, but is {row['status']}"
            )
        return
    behavior = "deny" if json.loads(row["decision"])["type"] in ("deny", "revise_plan") else "allow"
    if (sent and sent != [behavior]) or (echoed and echoed != [behavior]):
        yield Violation(Rule.ANSWER_CHANGED, session_id, f"{row['id']}: {behavior}, sent {sent}, read {echoed}")
    elif not (sent and echoed) and not broken_off:
        yield Violation(Rule.ANSWER_LOST, session_id, f"{row['id']}: sent {sent}, read {echoed}")
    elif failed is None and not broken_off:
        yield Violation(Rule.ANSWER_LOST, session_id, f"{row['id']}: its tool gave no result")
    elif behavior == "deny" and failed is False:
        yield Violation(Rule.ANSWER_LOST, session_id, f"{row['id']} was denied, but its tool ran")


def _judge_people(row: Row, history: History) -> Iterator[Violation]:
    """Of all who were told that their answer counts there is at most one, and it is the one that is stored."""
    accepted = [each["decision"] for each in history.did("answered") if each["ask"] == row["id"]]
    tried = [each["decision"] for each in history.did("tried") if each["ask"] == row["id"]]
    if len(accepted) > 1:
        yield Violation(
            Rule.ASK_ANSWERED_TWICE, row["session_id"], f"{row['id']}: {len(accepted)} were accepted"
        )
    stored = json.loads(row["decision"]) if row["decision"] else None
    if accepted and accepted[0] != stored:
        yield Violation(Rule.ANSWER_CHANGED, row["session_id"], f"{row['id']}: {accepted[0]} became {stored}")
    if stored is not None and tried and stored not in tried:
        yield Violation(Rule.ANSWER_CHANGED, row["session_id"], f"{row['id']}: nobody tried {stored}")
