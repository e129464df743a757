"""The files that an ended session leaves in its folder: its artifacts, and manifests of its checkpoints."""

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256

from archives.bundle import is_bundle_name
from service.folder_facts import FolderFacts, local_time
from texts.os_text import decoded
from workdirs.changes import ChangeKind
from workdirs.checkpoint_model import Checkpoint
from workdirs.coverage import bits_of
from workdirs.model import Entry, EntryMode, FilePath, ObjectId
from workdirs.paths import is_storable
from workdirs.store import Store

MOST_MANIFESTS = 100
MOST_ENTRIES = 100_000
MOST_ARTIFACTS = 2_000
MOST_ARTIFACT_BYTES = 64 * 2**20


def artifact_files(store: Store, facts: FolderFacts) -> dict[str, bytes]:
    """Return the files that the session created or changed, as its last checkpoint has them, by their paths.

    Raises `StoreMissing`, `StoreDamaged`. Blocks.
    """
    if not facts.checkpoints:
        return {}
    tree = store.tree(facts.checkpoints[-1].commit)
    wanted: list[tuple[FilePath, ObjectId]] = []
    for each in facts.artifacts[:MOST_ARTIFACTS]:
        path = FilePath(each.path)
        entry = tree.get(path)
        is_there = (
            each.kind is not ChangeKind.DELETED and entry is not None and entry.mode is not EntryMode.LINK
        )
        # Names of a session's files may be anything: they become paths in our folder and in a ZIP.
        if entry is not None and is_there and is_storable(path) and is_bundle_name(decoded(path)):
            wanted.append((path, entry.blob))
    found: dict[str, bytes] = {}
    left = MOST_ARTIFACT_BYTES
    for path, data in store.blobs(wanted):
        left -= len(data)
        if left < 0:
            break
        found[f"artifacts/{decoded(path)}"] = data
    return found


def manifests(store: Store, facts: FolderFacts) -> dict[str, bytes]:
    """Return the manifests of the last checkpoints, by their paths. Raises as `artifact_files`. Blocks."""
    hashes: dict[ObjectId, str] = {}
    made: dict[str, bytes] = {}
    left = MOST_ENTRIES
    first = max(0, len(facts.checkpoints) - MOST_MANIFESTS)
    # The newest first: the limit leaves out the oldest.
    for number, each in reversed(list(enumerate(facts.checkpoints, start=1))[first:]):
        tree = store.tree(each.commit)
        left -= len(tree)
        if left < 0:
            break
        _hash_new(store, tree, hashes)
        when = local_time(each.made_ms).strftime("%H-%M-%S")
        made[f"snapshots/checkpoint-{number:03d}-{when}.json"] = _manifest(store, each, tree, hashes)
    return made


def _hash_new(store: Store, tree: dict[FilePath, Entry], hashes: dict[ObjectId, str]) -> None:
    # Most contents are in several checkpoints, and each is read once.
    new = {entry.blob: path for path, entry in tree.items() if entry.blob not in hashes}
    wanted: Sequence[tuple[FilePath, ObjectId]] = [(path, blob) for blob, path in new.items()]
    for (_, blob), (_, data) in zip(wanted, store.blobs(wanted), strict=True):
        hashes[blob] = sha256(data).hexdigest()


def _manifest(
    store: Store, each: Checkpoint, tree: dict[FilePath, Entry], hashes: dict[ObjectId, str]
) -> bytes:
    coverage = store.coverage(each.commit)

    def files() -> Iterator[dict[str, str]]:
        for path, entry in sorted(tree.items()):
            bits = 0o777 if entry.mode is EntryMode.LINK else bits_of(path, entry.mode, coverage)
            kind = "link" if entry.mode is EntryMode.LINK else "file"
            # ASCII with lone surrogates: the escapes carry names that are not UTF-8.
            name = path.decode("utf-8", "surrogateescape")
            yield {"path": name, "kind": kind, "mode": f"{bits:04o}", "sha256": hashes[entry.blob]}

    facts = {
        "checkpoint": each.id,
        "ref": each.ref,
        "commit": each.commit,
        "reason": each.reason.value,
        "label": each.label,
        "time": local_time(each.made_ms).isoformat(timespec="seconds"),
        "files": list(files()),
    }
    return (json.dumps(facts, ensure_ascii=True, indent=1) + "\n").encode()
