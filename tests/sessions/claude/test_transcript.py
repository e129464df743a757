"""A transcript is read along the chain that the CLI would resume; the register believes only the living."""

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sessions.claude.errors import BadLaunch, TranscriptMissing
from sessions.claude.lines import AssistantBlocks, TextBlock, ToolResults, UserMessage
from sessions.claude.registry import OpenElsewhere, open_conversations
from sessions.claude.transcript import (
    Remains,
    config_directory,
    find_transcript,
    remains,
    stored_conversations,
)
from sessions.claude.transcript_rows import (
    BackgroundReport,
    CommandOutput,
    Interrupted,
    OwnCommand,
    TranscriptLine,
    TranscriptRow,
    line_of,
    newest_rows,
    rows,
)

ID = "00000000-0000-4000-8000-00000000000a"


def row(name: str, parent: str | None, kind: str = "user", **facts: Any) -> dict[str, Any]:
    content: Any = name if kind == "user" else [{"type": "text", "text": name}]
    message = {"role": kind, "content": content, "model": "opus"}
    return {
        "type": kind,
        "uuid": name,
        "parentUuid": parent,
        "message": message,
        "timestamp": f"at {name}",
        **facts,
    }


def call(name: str, parent: str | None) -> dict[str, Any]:
    """A call of a message that has several."""
    tool = {"type": "tool_use", "id": name[1:], "name": "Bash", "input": {}}
    message = {"role": "assistant", "id": "m", "content": [tool], "model": "opus"}
    return {"type": "assistant", "uuid": name, "parentUuid": parent, "message": message}


def result(name: str, parent: str, of: str) -> dict[str, Any]:
    """The result of the call with the id `of`."""
    block = {"type": "tool_result", "tool_use_id": of, "content": name}
    return {"type": "user", "uuid": name, "parentUuid": parent, "message": {"content": [block]}}


PARALLEL = [
    call("A1", None),
    call("A2", "A1"),
    result("R1", "A1", "1"),
    result("R2", "A2", "2"),
    row("A3", "R1", "assistant"),
]


def write(path: Path, *entries: Mapping[str, Any] | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [entry if isinstance(entry, bytes) else json.dumps(entry).encode() for entry in entries]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def names(found: list[TranscriptRow]) -> list[str]:
    return [row.uuid for row in found]


@pytest.mark.parametrize(
    ("entries", "chain"),
    [
        ([], []),
        ([row("a", None), row("b", "a", "assistant")], ["a", "b"]),
        # A regenerated answer: the newest leaf's branch.
        ([row("a", None), row("b", "a", "assistant"), row("c", "a", "assistant")], ["a", "c"]),
        # Rows between messages carry the chain and are not shown.
        ([row("a", None), {"type": "attachment", "uuid": "x", "parentUuid": "a"}, row("b", "x")], ["a", "b"]),
        # Subagents and rows without an id are not of the chain.
        ([row("a", None), row("s", "a", isSidechain=True), {"type": "last-prompt"}], ["a"]),
        # What was said before a compaction is still there.
        (
            [
                row("a", None),
                {"type": "system", "uuid": "x", "parentUuid": None, "logicalParentUuid": "a"},
                row("b", "x", isCompactSummary=True),
            ],
            ["a", "b"],
        ),
        # A rewind goes back to the leaf that it names, and the next prompt goes on from there.
        ([row("a", None), row("b", "a"), row("c", "b"), {"rewound": True, "leafUuid": "a"}], ["a"]),
        ([row("a", None), row("b", "a"), {"rewound": True, "leafUuid": "a"}, row("c", "a")], ["a", "c"]),
        ([row("a", None), {"rewound": True, "leafUuid": None}], []),
        # Parallel calls: each hangs on the call before it, each result on its own call.
        (PARALLEL, ["A1", "A2", "R1", "R2", "A3"]),
        ([*PARALLEL[:4], row("A3", "R2", "assistant")], ["A1", "A2", "R1", "R2", "A3"]),
        # A tool may have run before the next call was written; the order is that of the file.
        ([PARALLEL[0], PARALLEL[2], PARALLEL[1], PARALLEL[3]], ["A1", "R1", "A2", "R2"]),
        # A call that was answered twice (Claude was killed before the first answer counted) has one answer.
        ([*PARALLEL[:3], result("X1", "A2", "1"), row("A3", "X1", "assistant")], ["A1", "A2", "X1", "A3"]),
        # The calls of an answer that was dropped are not of the path.
        (
            [row("a", None), call("A1", "a"), result("R1", "A1", "1"), {"rewound": True, "leafUuid": "a"}],
            ["a"],
        ),
        # Torn, damaged and looping files end.
        ([row("a", None), b'{"type":"user","uuid":"torn'], ["a"]),
        ([row("a", None), b"\xff\x00", row("b", "a")], ["a", "b"]),
        ([row("a", "b"), row("b", "a")], ["a", "b"]),
        ([row("b", "gone")], ["b"]),
        # A row that a full disk swallowed costs itself, not all that was said before it.
        ([row("a", None), row("b", "a"), row("d", "c"), row("e", "d")], ["a", "b", "d", "e"]),
    ],
)
def test_the_chain_of_the_newest_leaf_is_read_both_ways(
    tmp_path: Path, entries: list[Mapping[str, Any] | bytes], chain: list[str]
) -> None:
    path = write(tmp_path / "t.jsonl", *entries)
    assert names(list(rows(path))) == chain
    assert names(list(newest_rows(path))) == chain[::-1]


def test_rows_have_the_types_of_the_stream(tmp_path: Path) -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": "out"}
    tool = {
        "type": "user",
        "uuid": "c",
        "parentUuid": "b",
        "message": {"content": [result]},
        "toolUseResult": {"x": 1},
    }
    path = write(
        tmp_path / "t.jsonl", row("a", None), row("b", "a", "assistant", isAbortedMidStream=True), tool
    )
    prompt, answer, results = (found.line for found in rows(path))
    assert prompt == UserMessage("a", "a", synthetic=False)
    assert isinstance(answer, AssistantBlocks)
    assert (answer.blocks, answer.aborted) == ((TextBlock("b"),), True)
    assert isinstance(results, ToolResults)
    assert (results.results[0].text, results.results[0].detail) == ("out", {"x": 1})
    assert [found.at for found in rows(path)][:2] == ["at a", "at b"]


@pytest.mark.parametrize(
    ("text", "facts", "line"),
    [
        (
            (
                "<command-name>/model</command-name>\n  <command-message>model</command-message>\n"
                "  <command-args>opus</command-args>"
            ),
            {},
            OwnCommand("r", "/model opus"),
        ),
        # A skill: what follows is Claude's answer.
        (
            "<command-message>review is running…</command-message>\n<command-name>/review</command-name>",
            {},
            OwnCommand("r", "/review"),
        ),
        (
            "<local-command-stdout>\x1b[2mCompacted\x1b[22m</local-command-stdout>",
            {},
            CommandOutput("r", "Compacted"),
        ),
        ("<local-command-stderr>no</local-command-stderr>", {}, CommandOutput("r", "no")),
        ("<bash-input>ls -la</bash-input>", {}, OwnCommand("r", "! ls -la")),
        (
            "<bash-stdout>a</bash-stdout><bash-stderr>b\n</bash-stderr>",
            {},
            CommandOutput("r", "a\nb"),
        ),
        ("<user-memory-input>be brief</user-memory-input>", {}, OwnCommand("r", "# be brief")),
        ("[Request interrupted by user for tool use]", {}, Interrupted("r")),
        (
            "<task-notification>\n<summary>it is done</summary></task-notification>",
            {"promptSource": "system"},
            BackgroundReport("r", "it is done"),
        ),
        # A person may write what looks like one.
        (
            "<bash-input>ls</bash-input>",
            {"promptSource": "typed"},
            UserMessage("r", "<bash-input>ls</bash-input>", False),
        ),
        ("<b>bold</b>", {}, UserMessage("r", "<b>bold</b>", False)),
        ("<local-command-caveat>x", {"isMeta": True}, UserMessage("r", "<local-command-caveat>x", True)),
    ],
)
def test_rows_that_only_look_like_prompts_are_what_they_are(
    text: str, facts: dict[str, Any], line: TranscriptLine
) -> None:
    body = {"type": "user", "uuid": "r", "message": {"content": text}, **facts}
    assert line_of(body) == line
    blocks = [{"type": "text", "text": text}]
    assert line_of({**body, "message": {"content": blocks}}) == line


def test_a_transcript_is_found_by_work_directory_or_wherever_it_is(tmp_path: Path) -> None:
    work = tmp_path / "My_Work.dir"
    slug = str(work).replace("/", "-").replace("_", "-").replace(".", "-")
    path = write(tmp_path / "projects" / slug / f"{ID}.jsonl", row("a", None))
    assert find_transcript(tmp_path, ID, work) == path
    assert find_transcript(tmp_path, ID, tmp_path / "moved") == path
    assert find_transcript(tmp_path, ID) == path


def test_a_long_directory_name_is_cut_and_found_by_its_beginning(tmp_path: Path) -> None:
    work = Path("/" + "x" * 150) / ("y" * 100)
    slug = str(work).replace("/", "-")[:200]
    path = write(tmp_path / "projects" / f"{slug}-abc123" / f"{ID}.jsonl", row("a", None))
    write(tmp_path / "projects" / f"{slug}-other" / f"{uuid.uuid4()}.jsonl", row("a", None))
    assert find_transcript(tmp_path, ID, work) == path


def test_a_missing_transcript_and_a_bad_id_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(TranscriptMissing):
        find_transcript(tmp_path, ID)
    with pytest.raises(BadLaunch):
        find_transcript(tmp_path, "../../etc/passwd")


def test_what_remains_says_how_to_go_on(tmp_path: Path) -> None:
    assert remains(tmp_path, ID) is Remains.NOTHING
    title = {"type": "custom-title", "customTitle": "x"}
    write(tmp_path / "projects" / "-a" / f"{ID}.jsonl", title, b"rubbish")
    assert remains(tmp_path, ID) is Remains.NO_MESSAGES
    write(tmp_path / "projects" / "-a" / f"{ID}.jsonl", title, row("a", None))
    assert remains(tmp_path, ID) is Remains.MESSAGES


def test_stored_conversations_are_listed_newest_first(tmp_path: Path) -> None:
    prompt = row("hello", None, cwd="/srv/work")
    noise = b"x" * 300_000
    titled = write(
        tmp_path / "projects" / "-a" / f"{ID}.jsonl",
        *(
            prompt,
            noise,
            {"type": "custom-title", "customTitle": "old"},
            {"type": "custom-title", "customTitle": "new"},
        ),
    )
    other = write(
        tmp_path / "projects" / "-b" / f"{uuid.uuid4()}.jsonl", row("note", None, isMeta=True), prompt
    )
    write(tmp_path / "projects" / "-b" / "notes.jsonl", prompt)
    os.utime(titled, (2000, 2000))
    os.utime(other, (1000, 1000))
    first, second = stored_conversations(tmp_path)
    assert (first.conversation_id, first.title, first.first_prompt, first.cwd) == (
        ID,
        "new",
        "hello",
        "/srv/work",
    )
    assert (first.updated_at_ms, first.size_bytes) == (2_000_000, titled.stat().st_size)
    assert (second.title, second.first_prompt) == ("", "hello")
    assert stored_conversations(tmp_path / "nothing") == []


def test_the_configuration_directory_follows_the_childs_environment() -> None:
    assert config_directory({"CLAUDE_CONFIG_DIR": "/x", "HOME": "/home/demo"}) == Path("/x")
    assert config_directory({"HOME": "/home/demo"}) == Path("/home/demo/.claude")


def test_only_living_processes_with_their_start_time_are_believed(tmp_path: Path) -> None:
    started = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    entry = {"sessionId": ID, "entrypoint": "cli", "status": "busy", "pid": os.getpid(), "procStart": started}
    write(tmp_path / "sessions" / "1.json", entry)
    write(tmp_path / "sessions" / "2.json", {**entry, "procStart": "1"})
    write(tmp_path / "sessions" / "3.json", {**entry, "pid": 2**22 + 1})
    write(tmp_path / "sessions" / "4.json", {**entry, "pid": -1})
    write(tmp_path / "sessions" / "5.json", b"rubbish")
    assert open_conversations(tmp_path) == [OpenElsewhere(os.getpid(), ID, "cli", "busy")]
