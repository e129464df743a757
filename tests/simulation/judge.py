"""The judge of a seed: the rules of `tests/chaos/check.py`, and Discord shows exactly the stored answers."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.chaos.check import broken_rules
from tests.chaos.history import History, HostLogs, read_tables
from tests.chaos.judge_discord import find_words
from tests.chaos.rules import Rule
from tests.simulation.chat import Post
from tests.simulation.world import World

_WORD = re.compile(r"\w+")
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
_QUEUED = "-# Queued"
_WORKING = ("-# Claude is working", "-# Waiting for your answer")


def judge(world: World) -> Iterator[str]:
    """Every broken rule, as a sentence."""
    history = _history(world)
    failed = {row["id"] for row in history.tables["sessions"] if row["status"] == "failed"}
    for violation in broken_rules(history, at_rest=True):
        # A session that failed says so, and its prompts wait for somebody who sends another one.
        if violation.rule is not Rule.PROMPT_UNFINISHED or violation.session_id not in failed:
            yield str(violation)
    yield from _judge_messages(world, history)
    yield from _judge_posts(world)
    yield from _judge_answers(world, history)
    yield from _judge_threads(world, failed)
    yield from _judge_buttons(world, history)


def _history(world: World) -> History:
    hosts: dict[str, list[HostLogs]] = {}
    for (session_id, number), process in sorted(world.ever.items()):
        logs = HostLogs(session_id, number, bytes(process.input), bytes(process.output))
        hosts.setdefault(session_id, []).append(logs)
    tables = read_tables(world.database)
    conversations = world.claude.conversations.values()
    said = {each.uuid for one in conversations for each in (*one.messages, *one.branches)}
    return History(
        root=Path("/nonexistent"),
        tables=tables,
        hosts=hosts,
        people=_people(world, tables["turns"]),
        transcript_uuids=frozenset(said),
    )


def _people(world: World, turns: Any) -> list[dict[str, Any]]:
    """Every message that was for the bot and not refused was accepted, if its author did not delete it."""
    by_origin = {turn["origin"]: turn for turn in turns}
    refused = {
        row[0]
        for row in world.database.execute(
            "SELECT external FROM inbox WHERE status = 'refused' AND kind = 'message'"
        )
    }
    notes = []
    for message_id in sorted(world.expected):
        origin = f"discord:message:{message_id}"
        if f"message:{message_id}" not in refused:
            turn = by_origin.get(origin)
            session = turn["session_id"] if turn is not None else ""
            notes.append(
                {"what": "accepted", "origin": origin, "session": session, "turn": turn and turn["id"]}
            )
    return notes


def _judge_messages(world: World, history: History) -> Iterator[str]:
    for note in history.did("accepted"):
        if not note["session"]:
            yield f"a message has no turn: {note['origin']}"
    ended = {row["id"] for row in history.tables["sessions"] if row["status"] == "ended"}
    rows = world.database.execute(
        "SELECT external, channel_id, note FROM inbox WHERE status = 'refused'"
    ).fetchall()
    for external, channel_id, note in rows:
        if external.startswith("message:") and "ended" not in note:
            yield f"a message was refused: {external} in {channel_id & 0xFFFF}: {note}"
    origins = Counter(turn["origin"] for turn in history.tables["turns"] if turn["origin"])
    for origin, times in origins.items():
        if times > 1:
            yield f"{times} turns of one origin: {origin}"
    if not ended and len(history.tables["sessions"]) > len(world.chat.rooms[100].posts):
        yield "more sessions than were asked for"


def _judge_posts(world: World) -> Iterator[str]:
    """Every row of a post is a message, every message in a thread is a row's or an answer of the inbox."""
    known: Counter[int] = Counter()
    rows = world.database.execute("SELECT subject, ordinal, channel_id, message_id FROM posts").fetchall()
    for subject, ordinal, channel_id, message_id in rows:
        room = world.chat.rooms.get(channel_id)
        if message_id is None or room is None or message_id not in room.posts:
            yield f"a post is not in Discord: {subject} {ordinal} as {message_id}"
        else:
            known[message_id] += 1
    for room in world.chat.threads:
        for post in room.from_bot():
            if known[post.id] != 1 and not post.is_reply:
                yield f"a message belongs to {known[post.id]} posts: {post.text[:60]!r}"


def _judge_answers(world: World, history: History) -> Iterator[str]:
    """Each turn's posts show its texts in order, and no text is anywhere else; turns stand as they came."""
    posts: dict[str, list[Post]] = {}
    rows = world.database.execute(
        "SELECT subject, channel_id, message_id FROM posts WHERE subject LIKE 'turn:%'"
        " ORDER BY subject, ordinal"
    )
    for subject, channel_id, message_id in rows.fetchall():
        if (post := world.chat.rooms[channel_id].posts.get(message_id)) is not None:
            posts.setdefault(subject.removeprefix("turn:"), []).append(post)
    everywhere = Counter(
        digest
        for room in world.chat.threads
        for post in room.from_bot()
        for digest in _DIGEST.findall(post.text)
    )
    for digest, times in everywhere.items():
        if times > 1:
            yield f"shown {times} times: {digest}"
    for turn in history.tables["turns"]:
        words = _WORD.findall("\n".join(post.text for post in posts.get(turn["id"], ())))
        yield from (
            f"not shown in turn {turn['number']}: {text[-80:]!r}" for text in _missing(history, turn, words)
        )
    yield from _judge_order(history, posts)


def _missing(history: History, turn: Any, words: list[str]) -> Iterator[str]:
    """The texts of a turn that `words` does not have, one after the other."""
    start = 0
    for row in history.tables["blocks"]:
        said = json.loads(row["body"])
        if row["turn_id"] != turn["id"] or said["type"] != "text":
            continue
        wanted = _WORD.findall(said["text"])
        place = find_words(words, wanted, start)
        if place < 0:
            yield said["text"]
        else:
            start = place + len(wanted)


def _judge_order(history: History, posts: dict[str, list[Post]]) -> Iterator[str]:
    """A turn that was over before another began stands before it.

    It begins when it is handed over first: done again after its process died, it keeps its place. One that was
    cut and that somebody lets go on is queued again, and begins again.
    """
    last: dict[tuple[str, str], int] = {}
    for place, event in enumerate(events := history.tables["events"]):
        if event["kind"] == "turn_requeued":
            last[event["session_id"], json.loads(event["body"])["turn_id"]] = place
    over: dict[str, list[str]] = {}
    begun: set[str] = set()
    for place, event in enumerate(events):
        turn_id = json.loads(event["body"]).get("turn_id", "")
        if not posts.get(turn_id) or place < last.get((event["session_id"], turn_id), 0):
            continue
        if event["kind"] == "turn_ended":
            over.setdefault(event["session_id"], []).append(turn_id)
        elif event["kind"] in ("turn_sent", "background_turn_started") and turn_id not in begun:
            begun.add(turn_id)
            for earlier in over.get(event["session_id"], ()):
                if earlier != turn_id and posts[earlier][0].id > posts[turn_id][0].id:
                    yield f"turn {turn_id[-4:]} stands before {earlier[-4:]}, which was over when it began"


def _judge_threads(world: World, failed: set[str]) -> Iterator[str]:
    places = world.database.execute("SELECT session_id, channel_id FROM places").fetchall()
    for session_id, channel_id in places:
        posts = world.chat.rooms[channel_id].from_bot()
        if not posts:
            yield f"the thread of {session_id[-4:]} is empty"
        if session_id in failed:
            continue
        yield from (f"still there: {post.text[:60]!r}" for post in posts if _is_stale(post))
    shown = {session_id for session_id, _ in places}
    for (session_id,) in world.database.execute("SELECT id FROM sessions"):
        if session_id not in shown:
            yield f"session {session_id[-4:]} has no place"


def _is_stale(post: Post) -> bool:
    working = any(line in post.text for line in _WORKING) or post.buttons("stop")
    return post.content.startswith(_QUEUED) or bool(working) or bool(post.buttons("allow"))


def _judge_buttons(world: World, history: History) -> Iterator[str]:
    """Only the answer to the turn that began last has its row of buttons, and it has it."""
    posts: dict[str, list[Post]] = {}
    rows = world.database.execute(
        "SELECT subject, channel_id, message_id FROM posts WHERE subject LIKE 'turn:%'"
    )
    for subject, channel_id, message_id in rows.fetchall():
        if (post := world.chat.rooms[channel_id].posts.get(message_id)) is not None:
            posts.setdefault(subject.removeprefix("turn:"), []).append(post)
    sessions = {row["id"]: row for row in history.tables["sessions"]}
    for turn in history.tables["turns"]:
        session = sessions[turn["session_id"]]
        is_last = turn["id"] == json.loads(session["data"]).get("last_turn")
        has_row = any(each.buttons("regenerate") for each in posts.get(turn["id"], ()))
        if has_row and not is_last:
            yield f"an older answer has its whole row: turn {turn['number']} {turn['id'][-4:]}"
        if is_last and not has_row and turn["kind"] == "prompt" and session["status"] != "ended":
            yield f"the last answer has no row: turn {turn['number']} {turn['id'][-4:]} {turn['status']}"
