"""The checker judged: a sound history passes, and one planted fault of each kind is caught by its own rule."""

import asyncio
import fcntl
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests.chaos.check import violations
from tests.chaos.history import read_history
from tests.chaos.people import Crowd
from tests.chaos.planting import (
    A_TURN,
    among_notes,
    answered_by_all,
    doubled,
    in_log,
    invented_block,
    last_block,
    shown_not,
    shown_otherwise,
    shown_twice,
    sql,
    swapped_blocks,
    without,
    without_answer,
)
from tests.chaos.rules import Rule
from tests.chaos.truth import truth_of
from tests.chaos.world import world

PROMPTS = (
    "demo:text one demo:block demo:text two",
    "demo:bash touch x",
    "demo:ask-question Which way?",
    "demo:thinking well demo:digest",
)


async def _record(root: Path, keep: Path, *, parked: bool) -> None:
    async with world(root) as made:
        crowd = Crowd(made, 1, 2, most=len(PROMPTS))
        for person in crowd.people:
            menu = iter(PROMPTS)
            person.choose = menu.__next__
        async with crowd.busy():
            await made.start_bot()
            for person in crowd.people:
                await person.given(len(PROMPTS))
        if parked:
            await crowd.park_all()
            await made.cleared_away()
        await made.stop_bot()
        # Pipes cannot be copied, nor need they be.
        shutil.copytree(root, keep, ignore=shutil.ignore_patterns("in"))


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Two histories without fault: at rest (True), and with hosts that still live (False)."""
    base = tmp_path_factory.mktemp("sound")
    for parked in (True, False):
        asyncio.run(_record(base / f"world{parked}", base / str(parked), parked=parked))
    return {parked: base / str(parked) for parked in (True, False)}


@pytest.fixture
def rest(sound: dict[bool, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound[True], tmp_path / "h"))


@pytest.fixture
def live(sound: dict[bool, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound[False], tmp_path / "h"))


def rules(root: Path, *, at_rest: bool) -> set[Rule]:
    return {each.rule for each in violations(read_history(root), at_rest=at_rest)}


def test_a_sound_history_at_rest_passes(rest: Path) -> None:
    assert violations(read_history(rest), at_rest=True) == []


def test_a_sound_history_with_living_hosts_passes(live: Path) -> None:
    assert violations(read_history(live), at_rest=False) == []


AT_REST = [
    (Rule.LINE_LOST, sql(f"DELETE FROM blocks WHERE {last_block('text')}")),
    (
        Rule.LINE_TWICE,
        sql(
            "INSERT INTO blocks (turn_id, ordinal, kind, body)"
            f" SELECT turn_id, 90, kind, body FROM blocks WHERE {last_block('text')}",
            "INSERT INTO events SELECT session_id, number + 9000, at_ms, kind,"
            " json_set(body, '$.ordinal', 90) FROM events WHERE kind = 'block_added' AND json_extract(body,"
            " '$.turn_id') = (SELECT turn_id FROM blocks WHERE ordinal = 90)"
            " AND json_extract(body, '$.ordinal') = (SELECT min(ordinal) FROM blocks WHERE kind = 'text'"
            " AND turn_id = (SELECT turn_id FROM blocks WHERE ordinal = 90))",
        ),
    ),
    (Rule.LINE_ORDER, swapped_blocks),
    (Rule.LINE_CHANGED, sql("UPDATE blocks SET body = replace(body, 'two', 'tvo')")),
    (Rule.LINE_INVENTED, invented_block),
    (
        Rule.LINE_MISPLACED,
        sql(
            "UPDATE turns SET prompt_uuid = prompt_uuid || 'x' WHERE number = 1",
        ),
    ),
    (Rule.LOG_NOT_READ, sql("UPDATE hosts SET applied = applied - 3000")),
    (Rule.LOG_NOT_READ, sql("UPDATE hosts SET applied = applied + 1")),
    (Rule.PROMPT_LOST, sql(f"DELETE FROM turns WHERE id = {A_TURN}")),
    (
        Rule.PROMPT_TWICE,
        sql(
            "DROP INDEX turns_by_origin",
            "INSERT INTO turns (id, session_id, number, kind, status, author_id, origin, queued_ms)"
            f" SELECT 'again', session_id, 99, kind, 'done', '', origin, 0 FROM turns WHERE id = {A_TURN}",
        ),
    ),
    (
        Rule.PROMPT_TWICE,
        sql(
            "UPDATE turns SET prompt_uuid = (SELECT prompt_uuid FROM turns WHERE number = 1 LIMIT 1)"
            " WHERE number = 2"
        ),
    ),
    (Rule.PROMPT_UNFINISHED, sql(f"UPDATE turns SET status = 'sent' WHERE id = {A_TURN}")),
    (Rule.PROMPT_RAN_AGAIN, in_log("output", doubled(b'"command_lifecycle"', b'"started"'))),
    (Rule.OUTCOME_DIFFERS, sql(f"UPDATE turns SET status = 'failed' WHERE id = {A_TURN}")),
    (
        Rule.TURN_ENDED_TWICE,
        sql(
            "INSERT INTO events SELECT session_id, 9000, at_ms, kind, body FROM events"
            " WHERE kind = 'turn_ended' LIMIT 1"
        ),
    ),
    (Rule.INPUT_TWICE, in_log("input", doubled(b'"type":"user"'))),
    (Rule.ASK_LOST, sql("DELETE FROM asks WHERE id IN (SELECT id FROM asks LIMIT 1)")),
    (Rule.ASK_INVENTED, in_log("output", without(b"can_use_tool"))),
    (Rule.ASK_ANSWERED_TWICE, in_log("input", doubled(b'"type":"control_response"'))),
    (Rule.ASK_ANSWERED_TWICE, among_notes(answered_by_all)),
    (Rule.ANSWER_LOST, in_log("output", without_answer)),
    (Rule.ANSWER_LOST, in_log("input", without(b'"type":"control_response"'))),
    (Rule.ANSWER_CHANGED, sql('UPDATE asks SET decision = \'{"type":"deny","note":""}\'')),
    (Rule.ANSWER_CHANGED, sql("UPDATE asks SET status = 'withdrawn', decision = ''")),
    (Rule.EVENT_GAP, sql("DELETE FROM events WHERE number = 5")),
    (Rule.STATE_DIFFERS, sql("UPDATE sessions SET data = json_set(data, '$.message_count', 99)")),
    (Rule.STATE_DIFFERS, sql("UPDATE sessions SET status = 'live'")),
    (Rule.SHOWN_GAP, among_notes(shown_twice)),
    (Rule.SHOWN_GAP, among_notes(shown_not)),
    (Rule.SHOWN_DIFFERS, among_notes(shown_otherwise)),
    (Rule.FILE_LEFT, lambda root: (root / "data" / "launch.json.tmp").touch()),
    (Rule.FILE_LEFT, lambda root: (root / "data" / "run" / "session" / "1").mkdir(parents=True)),
    (
        Rule.DATABASE_DAMAGED,
        sql(
            "INSERT INTO blocks (turn_id, ordinal, kind, body)"
            " VALUES ('no such turn', 0, 'text', '{\"type\":\"text\"}')"
        ),
    ),
]

WITH_LIVING_HOSTS = [
    (Rule.INPUT_BROKEN, in_log("input", lambda lines: [*lines[:-1], lines[-1][:-3] + b"\n"])),
    (Rule.INPUT_MISPLACED, sql("UPDATE inputs SET start = start + 1 WHERE number = 2")),
    (Rule.INPUT_MISPLACED, sql("DELETE FROM inputs WHERE number = 2")),
    (Rule.INPUT_MISPLACED, in_log("input", lambda lines: lines[:-1])),
]


@pytest.mark.parametrize(
    ("rule", "plant"), AT_REST, ids=[f"{n}-{rule.name}" for n, (rule, _) in enumerate(AT_REST)]
)
def test_a_planted_fault_is_caught(rest: Path, rule: Rule, plant: Callable[[Path], object]) -> None:
    plant(rest)
    assert rule in rules(rest, at_rest=True)


@pytest.mark.parametrize(("rule", "plant"), WITH_LIVING_HOSTS, ids=lambda each: getattr(each, "name", ""))
def test_a_planted_fault_in_the_input_is_caught(
    live: Path, rule: Rule, plant: Callable[[Path], object]
) -> None:
    plant(live)
    assert rule in rules(live, at_rest=False)


# --- what Discord shows -------------------------------------------------------------------------------------


def posts_of(root: Path) -> list[dict[str, object]]:
    """Posts that show the first person's session as its logs say."""
    history = read_history(root)
    session = next(row for row in history.tables["sessions"] if row["channel_id"].endswith(":p0"))
    said = [json.loads(block.said) for block in truth_of(history.hosts[session["id"]]).blocks]
    return [{"thread": "p0", "by_bot": True, "text": each["text"]} for each in said if each["type"] == "text"]


Posts = list[dict[str, object]]
SHOWN: list[tuple[Rule | None, Callable[[Posts], Posts]]] = [
    (None, lambda posts: posts),
    (Rule.POST_LOST, lambda posts: posts[1:]),
    (Rule.POST_TWICE, lambda posts: [*posts, posts[-1]]),
    (Rule.POST_ORDER, lambda posts: [posts[-1], *posts[:-1]]),
]


@pytest.mark.parametrize(("rule", "change"), SHOWN, ids=lambda each: getattr(each, "name", ""))
def test_a_fault_planted_in_discord_is_caught(
    rest: Path, rule: Rule | None, change: Callable[[Posts], Posts]
) -> None:
    posts = change(posts_of(rest))
    (rest / "discord.ndjson").write_text("".join(json.dumps(post) + "\n" for post in posts))
    assert rules(rest, at_rest=True) == ({rule} if rule is not None else set())


# --- traffic with Discord -----------------------------------------------------------------------------------

SOUND_TRAFFIC: dict[str, object] = {
    "requests": 1000,
    "invalid": 10,
    "starts_s": [n * 86.4 for n in range(1001)],
}
TRAFFIC: list[tuple[Rule | None, dict[str, object]]] = [
    (None, {}),
    (Rule.REQUESTS_INVALID, {"invalid": 11, "starts_s": [0.0, 60.0]}),
    (None, {"requests": 264, "invalid": 18, "starts_s": [n * 2.0 for n in range(18)]}),
    (Rule.REQUESTS_INVALID, {"requests": 264, "invalid": 19, "starts_s": [n * 2.0 for n in range(18)]}),
    (Rule.STARTS_OVER_BUDGET, {"starts_s": [n * 86.3 for n in range(1001)]}),
]


@pytest.mark.parametrize(("rule", "change"), TRAFFIC, ids=lambda each: getattr(each, "name", ""))
def test_a_fault_planted_in_the_traffic_is_caught(
    rest: Path, rule: Rule | None, change: dict[str, object]
) -> None:
    (rest / "traffic.json").write_text(json.dumps({**SOUND_TRAFFIC, **change}))
    assert rules(rest, at_rest=True) == ({rule} if rule is not None else set())


# --- what is left over --------------------------------------------------------------------------------------


@contextmanager
def process_left(root: Path) -> Iterator[None]:
    with subprocess.Popen(["sleep", "60"], cwd=root) as process:
        try:
            yield
        finally:
            process.kill()


@contextmanager
def lock_held(root: Path) -> Iterator[None]:
    descriptor = os.open(root / "data" / "run" / "owner.lock", os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def transaction_open(root: Path) -> Iterator[None]:
    with closing(sqlite3.connect(root / "data" / "sessions.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@pytest.mark.parametrize(
    ("rule", "leave"),
    [
        (Rule.PROCESS_LEFT, process_left),
        (Rule.LOCK_HELD, lock_held),
        (Rule.TRANSACTION_OPEN, transaction_open),
    ],
    ids=["process", "lock", "transaction"],
)
def test_what_is_left_over_is_found(
    rest: Path, rule: Rule, leave: Callable[[Path], AbstractContextManager[None]]
) -> None:
    with ExitStack() as stack:
        stack.enter_context(leave(rest))
        assert rule in rules(rest, at_rest=True)
    assert rules(rest, at_rest=True) == set()


def test_every_rule_has_a_planted_fault() -> None:
    planted = {rule for rule, _ in (*AT_REST, *WITH_LIVING_HOSTS, *SHOWN, *TRAFFIC)} - {None}
    assert planted | {Rule.PROCESS_LEFT, Rule.LOCK_HELD, Rule.TRANSACTION_OPEN} == set(Rule)
