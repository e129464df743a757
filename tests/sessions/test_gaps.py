"""Lines that a full disk swallowed or tore: whatever is missing of a real turn is there in the end, in order.

The turn and its transcript are recorded from the real CLI. A program that prints what is left of the lines
then takes its place, once for each way to lose some.
"""

import asyncio
import errno
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import msgspec
import pytest

from backends.base import LaunchSpec
from bridge.demo.model import DemoModel
from sessions import rows
from sessions.claude import lines as c
from sessions.claude.parse import parse
from sessions.conversations import Conversations, ReadBlock
from sessions.gaps import KnownBlock, Watched, missing
from sessions.model import Activity, Block, SessionId, Text, TurnId, TurnStatus
from sessions.prompt_queue import Sender
from sessions.session import Session
from sessions.state import Snapshot
from storage import Database
from tests.corpus import seeds
from tests.fakes.cli_home import StreamCli, make_cli_home
from tests.sessions.kit import USER, House, house

PROMPT = (
    "demo:thinking a thought demo:text one demo:block demo:text two demo:bash echo three"
    " demo:text four demo:bash echo five demo:text six"
)
DEADLINE_S = 60


@dataclass(frozen=True)
class Recorded:
    """A turn of the real CLI: its lines, the prompt's uuid, the conversation, and Claude's transcript of it."""

    lines: tuple[bytes, ...]
    prompt_uuid: str
    conversation_id: str
    transcript: str

    def places(self, *kinds: type[c.CliLine]) -> list[int]:
        return [n for n, raw in enumerate(self.lines) if isinstance(parse(raw), kinds)]


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    async def record(directory: Path) -> Recorded:
        async with DemoModel() as demo:
            home = make_cli_home(directory, demo.base_url)
            async with StreamCli(home) as cli:
                await cli.control("initialize")
                await cli.turn("demo:text before")
                start = len(cli.lines)
                prompt_uuid = await cli.send_prompt(PROMPT)
                await cli.idle()
                lines = tuple(json.dumps(line).encode() for line in cli.lines[start:])
                await cli.turn("demo:text after")
            path = next(home.config.glob("projects/*/*.jsonl"))
            return Recorded(lines, prompt_uuid, path.stem, path.read_text())

    return asyncio.run(record(tmp_path_factory.mktemp("recorded")))


class Reciter:
    """A program that answers a prompt with given lines, in the prompt's own name."""

    def __init__(
        self, stage: "Stage", spec: LaunchSpec, write: Callable[[bytes], None], leave: Callable[[int], None]
    ) -> None:
        self._stage = stage
        self._write = write
        self._leave = leave
        argv = spec.argv
        self.conversation_id = argv[argv.index("--session-id") + 1]

    def take(self, line: bytes) -> None:
        body = json.loads(line)
        if body["type"] == "user":
            self._stage.write_transcript(self.conversation_id, body["uuid"])
            text = self._stage.text.replace(self._stage.recorded.prompt_uuid.encode(), body["uuid"].encode())
            self._write(
                text.replace(self._stage.recorded.conversation_id.encode(), self.conversation_id.encode())
            )
        elif body["type"] == "control_request":
            reply: dict[str, object] = {"session_state": self._stage.state}
            if body["request"]["subtype"] == "get_context_usage":
                reply = {"totalTokens": 1, "maxTokens": 2}
            answer = {"subtype": "success", "request_id": body["request_id"], "response": reply}
            answer["pending_permission_requests"] = self._stage.asks
            self._write(json.dumps({"type": "control_response", "response": answer}).encode() + b"\n")
            if body["request"]["subtype"] == "end_session":
                self._leave(0)

    def ended(self) -> None:
        pass


class Stage:
    """A bridge whose CLIs recite `text`; each session has the recorded transcript under its own ids."""

    def __init__(self, made: House, recorded: Recorded, config: Path) -> None:
        self.recorded = recorded
        self.text = b""
        self.state = "idle"
        self.asks: list[object] = []
        self._config = config
        self._house = made
        self._told = 0
        made.machine.start = lambda spec, write, leave: Reciter(self, spec, write, leave)
        conversations = Conversations({"CLAUDE_CONFIG_DIR": str(config)}, config / "copies")
        msgspec.structs.force_setattr(made.manager._around, "conversations", conversations)

    def write_transcript(self, conversation_id: str, prompt_uuid: str) -> None:
        text = self.recorded.transcript.replace(self.recorded.conversation_id, conversation_id)
        path = self._config / "projects" / "x" / f"{conversation_id}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(self.recorded.prompt_uuid, prompt_uuid))

    async def tell(self, text: bytes) -> Session:
        """A new session whose one prompt is answered with `text`."""
        self.text, self._told = text, self._told + 1
        session = await self._house.session(f"c{self._told}")
        await session.send_message("say it", sender=Sender(USER, f"o{self._told}"))
        return session

    async def blocks(self, text: bytes) -> list[Block]:
        """Return the stored blocks of the only turn, once Claude is idle and the turn is done."""
        session = await self.tell(text)
        async with asyncio.timeout(DEADLINE_S):
            await session.until(
                lambda snapshot: snapshot.is_idle and snapshot.message_count == 1 and not snapshot.queue
            )
        turns = await rows.load_turns(self._house.db, session.id, limit=9)
        assert [turn.status for turn in turns] == [TurnStatus.DONE]
        found = await rows.load_blocks(self._house.db, turns[0].id)
        await session.park("told")
        return found


@asynccontextmanager
async def stage(db: Database, recorded: Recorded, tmp_path: Path) -> AsyncIterator[Stage]:
    async with house(db, tmp_path) as made:
        yield Stage(made, recorded, tmp_path / "config")


def joined(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def without(recorded: Recorded, *gone: int) -> bytes:
    return joined([line for n, line in enumerate(recorded.lines) if n not in gone])


def ways_to_lose(recorded: Recorded) -> Iterator[tuple[str, bytes]]:
    """Each line alone; any line torn, with the next one right behind it; any stretch that leaves the end.

    One line at least says whose turn it is.
    """
    last, random = len(recorded.lines) - 1, Random(5)
    speaks = recorded.places(c.MessageStarted)[0]
    yield "without all that comes before the answer", without(recorded, *range(speaks))
    telling = recorded.places(c.AssistantBlocks, c.ToolResults, c.TurnResult, c.PromptLifecycle, c.PromptEchoed)
    for n in telling:
        yield f"without line {n}", without(recorded, n)
        cut = random.randrange(1, len(recorded.lines[n]))
        torn = [*recorded.lines[:n], recorded.lines[n][:cut] + recorded.lines[n + 1], *recorded.lines[n + 2 :]]
        yield f"line {n} torn at {cut}", joined(torn)
    for _ in range(40):
        start = random.randrange(speaks + 1, last)
        end = random.randrange(start, last)
        yield f"without lines {start} to {end}", without(recorded, *range(start, end + 1))


@pytest.mark.real_cli
@pytest.mark.timeout(300)
async def test_whatever_is_lost_of_a_turn_is_there_in_the_end(
    db: Database, recorded: Recorded, tmp_path: Path
) -> None:
    async with stage(db, recorded, tmp_path) as told:
        whole = await told.blocks(joined(recorded.lines))
        assert [block.text for block in whole if isinstance(block, Text)][:2] == ["DEMO: one", "DEMO: two"]
        assert len(whole) == 9
        for way, text in ways_to_lose(recorded):
            assert await told.blocks(text) == whole, way


@pytest.mark.real_cli
async def test_a_whole_turn_reads_no_transcript(
    db: Database, recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_back(*_args: object) -> None:
        raise AssertionError("nothing is missing")

    monkeypatch.setattr(Conversations, "read_back", read_back)
    async with stage(db, recorded, tmp_path) as told:
        assert len(await told.blocks(joined(recorded.lines))) == 9


@pytest.mark.real_cli
async def test_a_transcript_that_cannot_be_read_ends_the_turn_all_the_same(
    db: Database, recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_back(*_args: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Conversations, "read_back", read_back)
    async with stage(db, recorded, tmp_path) as told:
        lost = recorded.places(c.ToolResults)
        assert len(await told.blocks(without(recorded, *lost))) == 9 - len(lost)


@pytest.mark.real_cli
async def test_what_was_read_back_is_said_once(db: Database, recorded: Recorded, tmp_path: Path) -> None:
    async with stage(db, recorded, tmp_path) as told:
        await told.blocks(without(recorded, *recorded.places(c.ToolResults)))
        found = await db.read("SELECT body ->> 'text' FROM events WHERE body ->> 'topic' = 'gap'")
    assert [str(row[0]).split(" of ")[0] for row in found] == ["2 parts"]


@pytest.mark.real_cli
@pytest.mark.parametrize("printed", [0.0, 0.5, 1.0])
async def test_an_end_that_was_lost_is_found_out_by_asking(
    db: Database, recorded: Recorded, tmp_path: Path, printed: float
) -> None:
    """Result and idle are gone, or all of the turn: Claude waits, we wait. Asking ends it."""
    ends = recorded.places(c.TurnResult)[0]
    async with stage(db, recorded, tmp_path) as told:
        text = joined(recorded.lines[: round(ends * printed)])
        session = await told.tell(text)
        async with asyncio.timeout(DEADLINE_S):
            await session.until(lambda snapshot: snapshot.current is not None)
            assert session.run is not None
            await session.run.greet(in_silence_s=DEADLINE_S)
            await session.until(lambda snapshot: snapshot.is_idle)
        turns = await rows.load_turns(db, session.id, limit=9)
        assert [turn.status for turn in turns] == [TurnStatus.DONE]
        assert len(await rows.load_blocks(db, turns[0].id)) == 9


@pytest.mark.real_cli
async def test_an_ask_that_was_lost_is_found_out_by_asking(
    db: Database, recorded: Recorded, tmp_path: Path
) -> None:
    asked = next(line for line in seeds.samples() if isinstance(parse(line), c.PermissionAsked))
    asking = {"type": "system", "subtype": "session_state_changed", "state": "requires_action"}
    speaks = recorded.places(c.MessageStarted)[0]
    async with stage(db, recorded, tmp_path) as told:
        session = await told.tell(joined([*recorded.lines[:speaks], json.dumps(asking).encode()]))
        async with asyncio.timeout(DEADLINE_S):
            await session.until(lambda snapshot: snapshot.activity is Activity.ASKING)
            told.state, told.asks = "requires_action", [json.loads(asked)]
            assert session.run is not None
            await session.run.greet(in_silence_s=DEADLINE_S)
            await session.until(lambda snapshot: len(snapshot.asks) == 1)
        assert session.snapshot.running is not None


# --- noticing ---------------------------------------------------------------------------------------------


def suspicions(run: Sequence[bytes]) -> list[str]:
    """Return the complaint at each result of a turn in a recorded stream; empty for a whole turn."""
    watched, found = Watched(), []
    for raw in run:
        line = parse(raw)
        if isinstance(line, c.TurnResult):
            found.append(watched._lacks(line))
        watched = watched.after(line)
    return found


def test_recorded_turns_without_trouble_lack_nothing() -> None:
    for run in seeds.streams():
        if b"api_retry" not in b"".join(run):
            assert set(suspicions(run)) == {""}


def test_each_line_that_carries_a_block_is_missed() -> None:
    run = next(run for run in seeds.streams() if len(suspicions(run)) == 7)
    for n, raw in enumerate(run):
        if isinstance(parse(raw), c.AssistantBlocks | c.ToolResults):
            assert any(suspicions([*run[:n], *run[n + 1 :]])), n


def test_a_line_that_is_torn_is_evidence_at_once() -> None:
    torn = parse(b'{"type":"assistant","message":{"cont')
    assert Watched().after(torn).lacks(Snapshot(SessionId("s")), c.StateChanged(c.CliState.IDLE)) == ""
    assert Watched().after(torn).evidence == "a line is torn"


# --- order ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ("", [("a", None), ("b", None), ("c", None), ("d", None)]),
        ("abcd", []),
        ("abc", [("d", None)]),
        ("bcd", [("a", 0)]),
        ("ad", [("b", 1), ("c", 1)]),
        ("c", [("a", 0), ("b", 0), ("d", None)]),
        ("xc", [("a", 1), ("b", 1), ("d", None)]),
    ],
)
def test_what_is_missing_stands_before_what_is_known(
    known: str, expected: list[tuple[str, int | None]]
) -> None:
    found = [ReadBlock(Text(name), name) for name in "abcd"]
    blocks = [KnownBlock(name, ordinal, None) for ordinal, name in enumerate(known)]
    added = list(missing(TurnId("t"), found, blocks, len(known)))
    assert [(each.uuid, each.before) for each in added] == expected
    assert [each.ordinal for each in added] == list(range(len(known), len(known) + len(expected)))
