"""A repository and a branch of it in a directory of its own, with short words for what tests do to both."""

from pathlib import Path

from msgspec.structs import replace

from tests.workdirs.desk import Desk
from workdirs.directories import DirectoryWish, make_branch_directory
from workdirs.landing import Landing, blocked_by, bring_along, move_ref
from workdirs.merge_choices import Strategy
from workdirs.merge_room import MergeRoom
from workdirs.merging import MergeWish, preview_merge, write_merge
from workdirs.model import ObjectId
from workdirs.repository import open_repository
from workdirs.snapshot import take_snapshot

MAIN, TOPIC = "refs/heads/main", "refs/heads/bridge/try"


class Pair:
    """A repository with `main` checked out at `desk.root`, and a branch of it in a directory of its own."""

    def __init__(self, desk: Desk, **files: str) -> None:
        self.desk = desk
        desk.git("init", "-q")
        for name, text in (files or {"a": "1\n2\n3\n", "b": "b\n"}).items():
            desk.write(name, text)
        self.commit(desk.root, "base")
        self.child = desk.home / ".branches" / "work" / "try"
        desk.store.prepare()
        wish = DirectoryWish(desk.root, self.child, "try", desk.store, desk.take().commit)
        assert make_branch_directory(wish).branch == "bridge/try"
        repository = open_repository(desk.root)
        assert repository is not None
        self.trial = MergeRoom(desk.store, repository)
        self.room = replace(self.trial, lands=True)

    def commit(self, root: Path, message: str, **files: str) -> ObjectId:
        for name, text in files.items():
            (root / name).write_text(text)
        self.desk.git("add", "-A", cwd=root)
        self.desk.git("commit", "-q", "--allow-empty", "-m", message, cwd=root)
        return ObjectId(self.desk.git("rev-parse", "HEAD", cwd=root).strip())

    def wish(self, strategy: Strategy = Strategy.SQUASH, last: ObjectId | None = None) -> MergeWish:
        return MergeWish(MAIN, TOPIC, strategy, "all of it", 1_700_000_000, last)

    def prepare(self, wish: MergeWish) -> Landing:
        seen = preview_merge(self.trial, wish)
        return Landing(wish.target, seen.target, write_merge(self.room, wish, seen.target, seen.source))

    def land(self, wish: MergeWish) -> Landing:
        landing = self.prepare(wish)
        assert blocked_by(self.room, landing) == []
        move_ref(self.room, landing)
        assert bring_along(self.room, landing, "t") == []
        return landing

    def take(self) -> ObjectId:
        """Take a snapshot of the branch's directory."""
        return take_snapshot(replace(self.desk.wish(), cache="child", work_tree=self.child)).commit

    def status(self) -> str:
        return self.desk.git("status", "--porcelain")
