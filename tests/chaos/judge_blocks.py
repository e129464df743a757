"""Every line applied exactly once and in order: blocks as stored against blocks as printed."""

import json
from collections import Counter
from collections.abc import Iterator

from tests.chaos.history import History, Row
from tests.chaos.rules import Rule, Violation
from tests.chaos.truth import LoggedBlock, Truth, canonical


def stored_blocks(history: History, session_id: str) -> list[tuple[LoggedBlock, Row]]:
    """The session's blocks in the order of their events, each with its turn's row."""
    turns = {row["id"]: row for row in history.of("turns", session_id)}
    bodies = {(row["turn_id"], row["ordinal"]): json.loads(row["body"]) for row in history.tables["blocks"]}
    found = []
    for event in history.of("events", session_id):
        if event["kind"] != "block_added":
            continue
        body = json.loads(event["body"])
        turn = turns.get(body["turn_id"])
        said = bodies.get((body["turn_id"], body["ordinal"]))
        if turn is None or said is None:
            continue
        found.append((LoggedBlock(body.get("uuid", ""), canonical(said), turn["prompt_uuid"]), turn))
    return found


def judge_blocks(history: History, session_id: str, truth: Truth) -> Iterator[Violation]:
    """Compare the sequence that the logs print with the sequence that is stored."""
    stored = [each for each, turn in stored_blocks(history, session_id) if turn["kind"] != "elsewhere"]
    logged_uuids = {each.uuid for each in truth.blocks if each.uuid}
    # What the CLI had done when it was killed in the middle of a line: read back from its own transcript.
    read_back = history.transcript_uuids - logged_uuids
    stored = [each for each in stored if each.uuid not in read_back]
    kept = [json.loads(each.said) for each in stored]
    stored = [each for each, said in zip(stored, kept, strict=True) if said["type"] != "note"]
    printed, have = [_key(each) for each in truth.blocks], [_key(each) for each in stored]
    if printed == have:
        yield from _judge_turns(truth, stored, session_id)
        return
    lost, extra = Counter(printed) - Counter(have), Counter(have) - Counter(printed)
    changed = {uuid for uuid, _ in lost if uuid} & {uuid for uuid, _ in extra if uuid}
    for uuid in sorted(changed):
        yield Violation(Rule.LINE_CHANGED, session_id, uuid)
    for uuid, said in lost:
        if uuid not in changed:
            yield Violation(Rule.LINE_LOST, session_id, f"{uuid} {said[:80]}")
    for key in extra:
        if key in printed:
            yield Violation(Rule.LINE_TWICE, session_id, f"{key[0]} {key[1][:80]}")
        elif key[0] not in changed:
            yield Violation(Rule.LINE_INVENTED, session_id, f"{key[0]} {key[1][:80]}")
    if not lost and not extra:
        yield Violation(Rule.LINE_ORDER, session_id, f"{len(printed)} blocks")


def _key(block: LoggedBlock) -> tuple[str, str]:
    return block.uuid, block.said


def _judge_turns(truth: Truth, stored: list[LoggedBlock], session_id: str) -> Iterator[Violation]:
    for printed, have in zip(truth.blocks, stored, strict=True):
        if (printed.prompt_uuid or "") != have.prompt_uuid:
            yield Violation(Rule.LINE_MISPLACED, session_id, f"{printed.uuid} {printed.said[:60]}")


def judge_offsets(history: History, session_id: str, truth: Truth) -> Iterator[Violation]:
    """The stored offset of an ended host is the end of its log; no offset lies beyond."""
    rows = {row["number"]: row for row in history.of("hosts", session_id)}
    for host in truth.hosts:
        row = rows.get(host.number)
        if row is None:
            yield Violation(Rule.LOG_NOT_READ, session_id, f"host {host.number} has no row")
        elif row["applied"] > host.end or (row["status"] == "ended" and row["applied"] != host.end):
            # Lines that change nothing need not be noted: less than 1 MiB of them may be read again.
            silent = row["applied"] < host.end and _says_nothing_after(history, session_id, host.number, row)
            if not silent:
                detail = f"host {host.number}: {row['applied']} of {host.end} bytes"
                yield Violation(Rule.LOG_NOT_READ, session_id, detail)


def _says_nothing_after(history: History, session_id: str, number: int, row: Row) -> bool:
    from sessions.claude import lines as c
    from sessions.claude.parse import parse

    logs = next(each for each in history.hosts[session_id] if each.number == number)
    mute = (c.Ignored, c.Unrecognized, c.BlockDelta, c.BlockStarted, c.BlockStopped, c.MessageUsage)
    mute_too = (c.MessageStopped, c.SystemNotice, c.StatusChanged, c.ControlSucceeded, c.StateChanged)
    rest = [parse(raw) for end, raw in logs.lines() if end > row["applied"]]
    others = (c.PromptLifecycle, c.PromptEchoed, c.MessageStarted, c.Initialized, c.ControlFailed)
    return all(isinstance(line, (*mute, *mute_too, *others)) for line in rest)
