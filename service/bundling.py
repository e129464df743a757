"""Puts a session's bundle together: facts, export, transcript, folder, checkpoints."""

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from archives.bundle import Source, write_bundle
from archives.folder import SessionFolder
from archives.manifest import Manifest
from service.export_text import to_markdown
from service.exporting import build_archive
from service.folder_facts import FolderFacts, folder_on_disk
from service.parts import ServiceParts
from sessions.archive import SessionArchive, write_archive
from sessions.session import Session
from sessions.stored_folders import NoteKind
from storage.files import make_directory
from texts.redaction import Redactor
from workdirs.bundles import Bundled, write_git_bundle
from workdirs.changes import ChangeKind
from workdirs.checkpoint_model import Checkpoint, Reason
from workdirs.store import Store

FACTS = "facts.json"
SESSION = "session.json"
TRANSCRIPT = "transcript.md"
CHECKPOINTS = "checkpoints.bundle"
FOLDER = "folder/"
MOST_CHECKPOINTS = 300
SCRATCH = ".scratch-"
"""Directories whose name begins so were left by a killed process."""


class BundledNote(msgspec.Struct, frozen=True):
    """A note; its file in the bundle has the text that counts."""

    kind: NoteKind
    title: str
    text: str
    file: str
    author_id: str
    made_ms: int


class BundledArtifact(msgspec.Struct, frozen=True):
    """A file that the session created, changed or deleted. In JSON `path` is Base64."""

    path: bytes
    kind: ChangeKind
    added: int = 0
    removed: int = 0


class BundledCheckpoint(msgspec.Struct, frozen=True):
    """A checkpoint of the session, by its ref in the bundle of checkpoints."""

    ref: str
    commit: str
    tree: str
    reason: Reason
    label: str
    turn_id: str
    files: int
    uncovered: int
    is_partial: bool
    is_pinned: bool
    made_ms: int


class BundledSession(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a session that its export does not have."""

    name: str
    day: str
    number: int
    project: str
    focus: str
    user_id: str
    began_ms: int
    summary: str = ""
    score: dict[str, int] = {}
    notes: tuple[BundledNote, ...] = ()
    artifacts: tuple[BundledArtifact, ...] = ()
    checkpoints: tuple[BundledCheckpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class _Content:
    """The content of a bundle."""

    session: Session
    facts: FolderFacts
    archive: SessionArchive
    store: Store | None
    place: SessionFolder
    redactor: Redactor


async def bundle_session(parts: ServiceParts, session: Session, facts: FolderFacts, target: Path) -> Manifest:
    """Write the session's bundle to `target` and return its manifest. Raises `OSError`, `WorkdirError`."""
    content = _Content(
        session=session,
        facts=facts,
        archive=await build_archive(session, with_uploads=True),
        # Asked for here: the thread below may use neither the session nor the database.
        store=await _store(session, facts),
        place=folder_on_disk(parts, facts.folder),
        redactor=Redactor(parts.secrets),
    )
    # Compressing takes seconds for a long session, and other sessions go on meanwhile.
    return await asyncio.to_thread(_write, content, target)


async def _store(session: Session, facts: FolderFacts) -> Store | None:
    checkpoints = session.around.checkpoints
    if checkpoints is None or not facts.checkpoints:
        return None
    return await checkpoints.engine.store_of(facts.checkpoints[-1])


def _write(content: _Content, target: Path) -> Manifest:
    session, facts, store = content.session, content.facts, content.store
    make_directory(target.parent)
    # Beside the target, so that one look finds what a kill leaves here.
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=target.parent) as scratch:
        packed = Path(scratch) / "checkpoints"
        chosen = _chosen(facts.checkpoints)
        # First of all, because the facts describe only what is in this file.
        there = write_git_bundle(store, [Bundled(c.ref, c.commit) for c in chosen], packed) if store else []
        # A removal or a power cut may have taken some from the store: only those in the file are described.
        held = {each.ref for each in there}
        described = _facts(session, facts, [each for each in chosen if each.ref in held])

        # Made one after the other as they are written, so they are never in memory together.
        def sources() -> Iterator[Source]:
            yield Source(FACTS, msgspec.json.format(msgspec.json.encode(described), indent=1))
            yield Source(SESSION, write_archive(content.archive))
            yield Source(
                TRANSCRIPT, to_markdown(content.archive, content.redactor.redact).encode("utf-8", "replace")
            )
            if held:
                # Git has compressed it already.
                yield Source(CHECKPOINTS, packed, packed=True)
            for name, path in content.place.files():
                yield Source(f"{FOLDER}{name}", path)

        words = {"session": session.id, "project": facts.folder.project, "user": session.snapshot.user_id}
        words |= {"focus": facts.folder.focus, "title": facts.title}
        head = Manifest(
            kind="session", name=facts.folder.name, made_ms=facts.now_ms, facts=_clean(words), entries=()
        )
        return write_bundle(target, sources(), head)


def _chosen(checkpoints: tuple[Checkpoint, ...]) -> list[Checkpoint]:
    """Return those that go into a bundle: the pinned ones and the newest, oldest first."""
    # By the end of the list: facts have the checkpoints oldest first.
    newest = {each.id for each in checkpoints[-MOST_CHECKPOINTS:]}
    return [each for each in checkpoints if each.is_pinned or each.id in newest]


def _facts(session: Session, facts: FolderFacts, checkpoints: list[Checkpoint]) -> BundledSession:
    folder, end = facts.folder, facts.end
    return BundledSession(
        name=folder.name,
        day=folder.day,
        number=folder.number,
        project=folder.project,
        focus=folder.focus,
        user_id=session.snapshot.user_id,
        began_ms=folder.began_ms,
        # A session that goes on has a draft at most.
        summary=(end.summary or end.draft) if end is not None else "",
        score=dict(end.score) if end is not None else {},
        notes=tuple(
            BundledNote(each.kind, each.title, each.text, each.file, each.author_id, each.made_ms)
            for each in facts.notes
        ),
        artifacts=tuple(
            BundledArtifact(each.path, each.kind, each.added, each.removed) for each in facts.artifacts
        ),
        checkpoints=tuple(
            BundledCheckpoint(
                ref=each.ref,
                commit=each.commit,
                tree=each.tree,
                reason=each.reason,
                label=each.label,
                turn_id=each.anchor,
                files=each.files,
                uncovered=each.uncovered,
                is_partial=each.is_partial,
                is_pinned=each.is_pinned,
                made_ms=each.made_ms,
            )
            for each in checkpoints
        ),
    )


def _clean(words: dict[str, str]) -> dict[str, str]:
    # A lone surrogate has no form in UTF-8.
    return {key: value.encode("utf-8", "replace").decode() for key, value in words.items()}
