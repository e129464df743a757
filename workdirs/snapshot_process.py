"""The process that takes one snapshot: a wish on stdin, an answer on stdout, both as MessagePack."""

import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from workdirs.errors import CheckpointFailed, WhyNoCheckpoint
from workdirs.model import Snapshot
from workdirs.snapshot import SnapshotWish, take_snapshot

_NICENESS = 10


class Taken(msgspec.Struct, tag="taken"):
    """A snapshot was taken."""

    snapshot: Snapshot


class Failed(msgspec.Struct, tag="failed"):
    """No snapshot was taken."""

    why: WhyNoCheckpoint
    sentence: str


def encode_wish(wish: SnapshotWish) -> bytes:
    """Return `wish` as the bytes that the process reads."""
    return msgspec.msgpack.encode(wish, enc_hook=_path_to_bytes)


def decode_answer(data: bytes) -> Taken | Failed:
    """Parse the output of the process. Raises `msgspec.MsgspecError` if it broke."""
    return msgspec.msgpack.decode(data, type=Taken | Failed)


def main() -> None:
    """Take the snapshot that stdin asks for."""
    os.nice(_NICENESS)
    wish = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=SnapshotWish, dec_hook=_path_from_bytes)
    answer: Taken | Failed
    try:
        answer = Taken(take_snapshot(wish))
    except CheckpointFailed as error:
        answer = Failed(error.why, str(error))
    sys.stdout.buffer.write(msgspec.msgpack.encode(answer))


def _path_to_bytes(value: Any) -> bytes:
    if isinstance(value, Path):
        return os.fsencode(value)
    raise NotImplementedError(f"no way to send {type(value)}")


def _path_from_bytes(kind: type, value: Any) -> Path:
    if kind is Path:
        return Path(os.fsdecode(value))
    raise NotImplementedError(f"no way to read {kind}")


if __name__ == "__main__":
    main()
