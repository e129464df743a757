"""Our copies of Claude's transcripts: appended as they grow, made anew when replaced, given back when lost."""

import resource
import threading
from pathlib import Path

import pytest

from sessions.claude.errors import TranscriptMissing
from sessions.claude.transcript import project_directory
from sessions.conversations import Conversations

ID = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    return directory


@pytest.fixture
def conversations(tmp_path: Path) -> Conversations:
    return Conversations({"CLAUDE_CONFIG_DIR": str(tmp_path / "config")}, tmp_path / "copies")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Where Claude's transcript is; not written yet."""
    directory = tmp_path / "config" / "projects" / "-some-place"
    directory.mkdir(parents=True)
    return directory / f"{ID}.jsonl"


def test_a_copy_grows_with_its_source_and_only_its_owner_reads_it(
    conversations: Conversations, source: Path, work: Path
) -> None:
    text = b""
    for piece in (b'{"a":1}\n', b'{"b"', b":2}\n", b"x" * 3_000_000 + b"\n"):
        text += piece
        source.write_bytes(text)
        conversations.keep(ID, work)
        assert conversations.copy(ID).read_bytes() == text
    assert conversations.copy(ID).stat().st_mode & 0o777 == 0o600
    assert conversations.copy(ID).parent.stat().st_mode & 0o777 == 0o700
    assert conversations.copied_bytes(ID) == len(text)


@pytest.mark.parametrize("replaced", [b"", b"{}\n", b'{"other":1}\n' * 9], ids=["empty", "shorter", "another"])
def test_a_source_that_was_replaced_is_copied_anew(
    replaced: bytes, conversations: Conversations, source: Path, work: Path
) -> None:
    source.write_bytes(b'{"first":1}\n' * 5)
    conversations.keep(ID, work)
    source.write_bytes(replaced)
    conversations.keep(ID, work)
    assert conversations.copy(ID).read_bytes() == replaced


def test_copying_from_many_threads_at_once_makes_one_whole_copy(
    conversations: Conversations, source: Path, work: Path
) -> None:
    text = b"".join(b'{"n":%d}\n' % n for n in range(200_000))
    source.write_bytes(text)
    threads = [threading.Thread(target=conversations.keep, args=(ID, work)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert conversations.copy(ID).read_bytes() == text


def test_what_claude_has_lost_is_given_back_where_claude_looks_for_it(
    conversations: Conversations, source: Path, work: Path
) -> None:
    source.write_bytes(b'{"a":1}\n')
    conversations.keep(ID, work)
    source.unlink()
    assert conversations.put_back(ID, work)
    found = conversations.transcript(ID, work)
    assert found is not None
    assert found.read_bytes() == b'{"a":1}\n'
    conversations.remove_copy(ID)
    found.unlink()
    assert not conversations.put_back(ID, work)


def test_a_transcript_of_a_long_path_is_given_back_where_a_sandbox_shows_it(
    tmp_path: Path, conversations: Conversations
) -> None:
    deep = tmp_path / ("d" * 120) / ("e" * 120)
    deep.mkdir(parents=True)
    conversations.write_copy(ID, ['{"a":1}'])
    assert conversations.put_back(ID, deep)
    found = conversations.transcript(ID, deep)
    assert found is not None
    assert found.parent == project_directory(tmp_path / "config", deep)


def test_a_disk_that_is_full_while_it_is_given_back_costs_nothing_of_it(
    conversations: Conversations, source: Path, work: Path
) -> None:
    text = b'{"a":1}\n' * 100_000
    source.write_bytes(text)
    conversations.keep(ID, work)
    source.unlink()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(text) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            conversations.put_back(ID, work)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    conversations.keep(ID, work)
    assert conversations.copy(ID).read_bytes() == text
    assert conversations.put_back(ID, work)
    found = conversations.transcript(ID, work)
    assert found is not None
    assert found.read_bytes() == text
    assert list(found.parent.iterdir()) == [found]


def test_nothing_to_copy_is_no_trouble(conversations: Conversations, work: Path) -> None:
    conversations.keep(ID, work)
    conversations.remove_copy(ID)
    assert conversations.copied_bytes(ID) == 0
    assert conversations.turns_after(ID, work) == []
    assert conversations.read_back(ID, work, "x") == []
    assert conversations.stored() == []


@pytest.mark.parametrize("name", ["", "../../evil", "/etc/passwd", ID.upper().replace("1", "A"), f"{ID}\n"])
def test_an_id_that_is_none_never_becomes_a_path(name: str, conversations: Conversations, work: Path) -> None:
    with pytest.raises(TranscriptMissing):
        conversations.copy(name)
    conversations.remove_copy(name)
    conversations.keep(name, work)
    assert conversations.copied_bytes(name) == 0
