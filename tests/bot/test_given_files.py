"""Files that a person asks for: plain files of the work directory, within the size that Discord takes."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from api import Core, GetFile
from api.access import Actor
from bot.bodies import File
from bot.errors import Refused
from bot.outgoing_files import read_file
from service.work_files import get_file
from tests.sessions.running_core import ADMIN

NOTHING = "is not there, or is not given out"


@dataclass
class OnlyFiles:
    """A core that gives files out, to whom it may be."""

    root: Path

    def get_file(self, _: Actor, wish: GetFile) -> AsyncGenerator[bytes, None]:
        return get_file(self.root, wish)


async def read(root: Path, name: str, max_bytes: int) -> File:
    wish = GetFile(session_id="s", path=name, max_bytes=max_bytes)
    return await read_file(cast("Core", OnlyFiles(root)), ADMIN, wish)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / ".git").mkdir(parents=True)
    (root / "a.txt").write_bytes(b"12345")
    (root / ".env").write_bytes(b"secret")
    (root / ".git" / "config").write_bytes(b"secret")
    (tmp_path / "b.txt").write_bytes(b"outside")
    (root / "link").symlink_to(tmp_path / "b.txt")
    (root / "inner").symlink_to(root / "a.txt")
    (root / "sly").symlink_to(root / ".env")
    return root


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.txt", None),
        ("inner", None),
        ("link", NOTHING),
        ("../b.txt", NOTHING),
        ("../nothing", NOTHING),
        ("../root/a.txt", None),
        (".env", NOTHING),
        ("sly", NOTHING),
        (".git/config", NOTHING),
        ("nothing", NOTHING),
        (".", "not a file"),
        ("a\0b", NOTHING),
        ("/etc/passwd", NOTHING),
        ("/etc/no-such-file", NOTHING),
    ],
)
async def test_only_plain_files_of_the_work_directory_are_given_out(
    root: Path, name: str, said: str | None
) -> None:
    if said is None:
        assert (await read(root, name, 100)).data == b"12345"
        return
    with pytest.raises(Refused, match=said) as refused:
        await read(root, name, 100)
    assert str(root) not in str(refused.value)


async def test_a_file_that_is_too_large_is_named_with_its_size(root: Path) -> None:
    with pytest.raises(Refused, match="5 bytes"):
        await read(root, "a.txt", 4)
