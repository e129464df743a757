"""Any sequence of changes, checkpoints, restores and kills against a model: a dictionary of files."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, product
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.workdirs.desk import Desk
from tests.workdirs.sequence_room import SequenceRoom, sequence_room
from workdirs import apply
from workdirs.model import Snapshot
from workdirs.plan import SetMode, plan_restore
from workdirs.restoring import apply_restore, look_up, still_as_before, sweep_restore

File = tuple[str, int, bytes]
Model = dict[str, File]

_NAMES = ("a", "b", "A", "d", "d/a", "d/b", "d/e", "d/e/a", "f/g", "b/c", os.fsdecode(b"\xff\n"))
_MODES = (0o644, 0o644, 0o755, 0o600, 0o700)


@dataclass(frozen=True)
class Write:
    path: str
    data: bytes
    mode: int


@dataclass(frozen=True)
class Link:
    path: str
    target: str


@dataclass(frozen=True)
class Delete:
    path: str


@dataclass(frozen=True)
class Chmod:
    path: str
    mode: int


@dataclass(frozen=True)
class Checkpoint:
    loses_cache: bool


@dataclass(frozen=True)
class Restore:
    """Back to one of the checkpoints; `killed_at` a step the process ends, and the next one finishes it."""

    number: int
    killed_at: int | None


Act = Write | Link | Delete | Chmod | Checkpoint | Restore

_KINDS: list[list[Act]] = [
    [Write(*each) for each in product(_NAMES, (b"", b"x", b"y\r\n", b"\0\xff"), _MODES)],
    [Link(*each) for each in product(_NAMES, ("a", "d", "../outside", "/nowhere"))],
    [Delete(name) for name in _NAMES],
    [Chmod(*each) for each in product(_NAMES, _MODES)],
    [Checkpoint(loses) for loses in (False, True)],
    [Restore(*each) for each in product(range(6), (None, None, *range(1, 7)))],
]


def _act(kind: int, number: int) -> Act:
    return _KINDS[kind][number % len(_KINDS[kind])]


# Two numbers an act: drawing each field took a quarter of the time.
_ACTS = st.builds(_act, st.integers(0, len(_KINDS) - 1), st.integers(0, max(map(len, _KINDS)) - 1))


class _KilledError(BaseException):
    pass


class _World:
    """A real work tree beside the model of it."""

    def __init__(self, home: Path, numbers: "count[int]") -> None:
        self.desk = Desk(home, numbers=numbers)
        self.model: Model = {}
        self.saved: list[tuple[Snapshot, Model]] = []
        (home / "outside").mkdir()

    def act(self, act: Act) -> None:
        match act:
            case Write(path, data, mode):
                self._clear(path)
                self.desk.write(path, data, mode)
                self.model[path] = ("file", mode, data)
            case Link(path, target):
                self._clear(path)
                (self.desk.root / path).symlink_to(target)
                self.model[path] = ("link", 0, target.encode())
            case Delete(path):
                if path in self.model:
                    (self.desk.root / path).unlink()
                    del self.model[path]
            case Chmod(path, mode):
                if path in self.model and self.model[path][0] == "file":
                    (self.desk.root / path).chmod(mode)
                    self.model[path] = ("file", mode, self.model[path][2])
            case Checkpoint(loses_cache):
                if loses_cache:
                    self.desk.store.cache("main").unlink(missing_ok=True)
                self.saved.append((self.desk.take(), dict(self.model)))
            case Restore(number, killed_at) if self.saved:
                snapshot, model = self.saved[number % len(self.saved)]
                self._restore(snapshot, killed_at)
                self.model = dict(model)
            case Restore():
                pass

    def check(self) -> None:
        shown = {}
        for path, (kind, mode, text) in self.desk.show().items():
            name = os.fsdecode(path)
            data = text.encode() if kind == "link" else (self.desk.root / name).read_bytes()
            shown[name] = (kind, mode, data)
        assert shown == self.model
        assert list((self.desk.home / "outside").iterdir()) == []

    def _restore(self, target: Snapshot, killed_at: int | None) -> None:
        if killed_at is None:
            assert self.desk.restore(target) == []
            return
        store, root = self.desk.store, self.desk.root
        safety = self.desk.take()
        plan = self.desk.plan(safety, target)
        try:
            with _killing(killed_at):
                apply_restore(store, root, "main", plan, "t")
        except _KilledError:
            before = store.differences(safety.commit, target.commit)
            sweep_restore(root, list(before), "t")
            now = self.desk.take()
            still = still_as_before(store.differences(now.commit, target.commit), before)
            rest = plan_restore(look_up(store, root, now.commit, target.commit), None)
            steps = tuple(each for each in rest.steps if isinstance(each, SetMode) or each.path in still)
            assert steps == rest.steps
            assert apply_restore(store, root, "main", rest, "t").left == []

    def _clear(self, path: str) -> None:
        """Remove whatever is at `path`, below it, or instead of a directory above it."""
        place = self.desk.root / path
        for above in reversed([*Path(path).parents][:-1]):
            if (self.desk.root / above).is_symlink() or (self.desk.root / above).is_file():
                (self.desk.root / above).unlink()
                self.model.pop(str(above), None)
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        self.model = {
            each: file for each, file in self.model.items() if each != path and not each.startswith(f"{path}/")
        }
        place.parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def _killing(at: int) -> Iterator[None]:
    left = at

    def crash_point(_: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise _KilledError

    with patch.object(apply, "crash_point", crash_point):
        yield


def _play(acts: list[Act], room: SequenceRoom) -> None:
    with room.home() as home:
        world = _World(home, room.numbers)
        for act in acts:
            world.act(act)
            if isinstance(act, Checkpoint | Restore):
                world.check()
        if world.saved:
            world.desk.restore(world.saved[0][0])
            world.model = world.saved[0][1]
            world.check()


@pytest.fixture(scope="module")
def room() -> Iterator[SequenceRoom]:
    with sequence_room() as opened:
        yield opened


_SHORT = st.lists(_ACTS, min_size=3, max_size=12)
_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.mark.timeout(300)
@settings(max_examples=130, deadline=None, derandomize=True, database=None, suppress_health_check=_QUIET)
@given(acts=_SHORT)
def test_no_sequence_diverges_from_the_model(acts: list[Act], room: SequenceRoom) -> None:
    _play(acts, room)


@pytest.mark.soak
@pytest.mark.timeout(300)
@settings(max_examples=5000, deadline=None, suppress_health_check=_QUIET)
@given(acts=st.lists(_ACTS, min_size=3, max_size=40))
def test_no_long_sequence_diverges_from_the_model(acts: list[Act]) -> None:
    with sequence_room() as room:  # a store of its own, so that damage is seen at once
        _play(acts, room)
