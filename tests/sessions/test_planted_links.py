"""Links that Claude's tools plant beside transcripts lead the bridge nowhere: not to read, not to write."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from sessions.claude.errors import TranscriptMissing
from sessions.claude.transcript import find_transcript, project_directory, stored_conversations
from sessions.transcript_copies import TranscriptCopies

ROW = '{"type":"user","message":{"role":"user","content":"SECRET"}}\n'


class Place:
    """Claude's transcripts of one project, our copies, and a directory that neither may touch."""

    def __init__(self, root: Path) -> None:
        self.name = str(uuid.uuid4())
        self.config, self.work, self.foreign = root / "claude", root / "work", root / "foreign"
        self.transcripts = project_directory(self.config, self.work)
        self.copies = TranscriptCopies(root / "copies")
        for directory in (self.work, self.foreign / "tool-results", self.transcripts):
            directory.mkdir(parents=True)
        (self.foreign / "other.jsonl").write_text(ROW)
        (self.foreign / "tool-results" / "other.txt").write_text("SECRET")
        self.source = self.transcripts / f"{self.name}.jsonl"

    def foreign_files(self) -> dict[str, str]:
        return {str(path): path.read_text() for path in sorted(self.foreign.rglob("*")) if path.is_file()}

    def talked(self) -> None:
        """A conversation with a long output, copied and then lost at Claude's side."""
        self.source.write_text('{"type":"user"}\n')
        beside = self.source.with_suffix("") / "tool-results"
        beside.mkdir(parents=True)
        (beside / "authorized_keys").write_text("chosen inside")
        self.copies.keep(self.source, self.name)
        (beside / "authorized_keys").unlink()
        beside.rmdir()
        self.source.unlink()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_link_is_no_transcript(place: Place) -> None:
    place.source.symlink_to(place.foreign / "other.jsonl")
    with pytest.raises(TranscriptMissing):
        find_transcript(place.config, place.name, place.work)
    assert stored_conversations(place.config) == []
    with pytest.raises(FileNotFoundError, match="no regular file"):
        place.copies.keep(place.source, place.name)
    assert not place.copies.path(place.name).exists()


def test_nothing_beside_a_transcript_comes_through_a_link(place: Place) -> None:
    place.source.write_text('{"type":"user"}\n')
    place.source.with_suffix("").symlink_to(place.foreign)
    place.copies.keep(place.source, place.name)
    assert not place.copies.path(place.name).with_suffix("").exists()


def directory_of_long_outputs(place: Place) -> None:
    place.source.with_suffix("").mkdir(exist_ok=True)
    (place.source.with_suffix("") / "tool-results").symlink_to(place.foreign / "tool-results")


def whole_directory(place: Place) -> None:
    place.source.with_suffix("").rmdir()
    place.source.with_suffix("").symlink_to(place.foreign)


def one_file(place: Place) -> None:
    beside = place.source.with_suffix("") / "tool-results"
    beside.mkdir(parents=True, exist_ok=True)
    (beside / "authorized_keys").symlink_to(place.foreign / "tool-results" / "other.txt")


def a_fifo(place: Place) -> None:
    beside = place.source.with_suffix("") / "tool-results"
    beside.mkdir(parents=True, exist_ok=True)
    os.mkfifo(beside / "authorized_keys")


@pytest.mark.parametrize("plant", [directory_of_long_outputs, whole_directory, one_file, a_fifo])
def test_a_copy_is_given_back_to_no_other_place(place: Place, plant: Callable[[Place], None]) -> None:
    place.talked()
    before = place.foreign_files()
    plant(place)
    with pytest.raises(OSError):  # noqa: PT011 - ELOOP, ENOTDIR or ENXIO, by what stands in the way
        place.copies.give(place.name, place.source)
    assert place.foreign_files() == before


def test_a_planted_draft_is_not_written_through(place: Place) -> None:
    place.talked()
    before = place.foreign_files()
    place.source.with_name(f"{place.source.name}.tmp").symlink_to(place.foreign / "other.jsonl")
    place.source.symlink_to(place.foreign / "other.jsonl")
    assert place.copies.give(place.name, place.source)
    assert place.foreign_files() == before
    assert not place.source.is_symlink()
