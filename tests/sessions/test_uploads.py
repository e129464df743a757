"""Files that come with prompts lie with the session, follow its branches and exports, and go with it."""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import api as c
from sessions.errors import ImportRefused
from sessions.model import Attachment, ExportFormat
from sessions.retention import RetentionRules
from sessions.session import Session
from sessions.uploads import copy_uploads, is_upload_name, note_of_uploads, path_of, uploads_of
from tests.sessions.running_core import ADMIN, RunningCore, idle, running_core, until

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(64)


def test_old_and_new_attachments_are_found_where_they_lie() -> None:
    uploads, work = Path("/data/run/s/uploads"), Path("/work")
    for path, place in (
        ("uploads/7/a.txt", "/data/run/s/uploads/7/a.txt"),
        (".attachments/7/a.txt", "/work/.attachments/7/a.txt"),
    ):
        assert path_of(Attachment(path, "a.txt", "", 1), uploads, work) == Path(place)
    for path in (
        "/etc/passwd",
        "src/a.png",
        "../a.png",
        "uploads/../../key",
        ".attachments/../.env",
        "uploads",
    ):
        assert path_of(Attachment(path, "a", "image/png", 1), uploads, work) is None


@pytest.mark.parametrize("name", ["a", "../a", "7/../a", "7/.env", "/7/a", "7/a/b", "7/", ".x/a", "7/a\0", ""])
def test_a_name_that_leads_elsewhere_is_no_uploads_name(name: str) -> None:
    assert not is_upload_name(name)
    assert is_upload_name("7/a.txt")


def test_uploads_are_copied_once_and_stay_when_the_source_goes(tmp_path: Path) -> None:
    source, target = tmp_path / "a" / "uploads", tmp_path / "b" / "uploads"
    copy_uploads(source, target)
    assert not target.exists()
    (source / "7").mkdir(parents=True)
    (source / "7" / "a.txt").write_text("text")
    for _ in range(2):
        copy_uploads(source, target)
    (source / "7" / "a.txt").unlink()
    assert (target / "7" / "a.txt").read_text() == "text"
    assert str(target) in note_of_uploads(target)


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def upload(core: RunningCore, session: Session, name: str, data: bytes, kind: str) -> Attachment:
    wish = c.PutFile(session_id=session.id, folder="7", name=name, media_type=kind)
    return await core.service.put_file(ADMIN, wish, pieces(data))


async def send(core: RunningCore, session: Session, words: str, *files: Attachment) -> None:
    wish = c.SendMessage(session_id=session.id, content=words, origin=f"test:{words}", attachments=files)
    await core.do(wish)
    await idle(session)


def git(work: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=work, check=True, capture_output=True, text=True).stdout


async def test_a_project_is_the_same_before_and_after_uploads(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        session = await core.session()
        work = Path(session.snapshot.work_directory)
        git(work, "init", "-q")
        before = {path: path.read_bytes() for path in (work / ".git").rglob("*") if path.is_file()}
        status = git(work, "status", "--porcelain", "--ignored")
        file = await upload(core, session, "a.png", PICTURE, "image/png")
        await send(core, session, "demo:text look", file)
        assert git(work, "status", "--porcelain", "--ignored") == status
        after = {path: path.read_bytes() for path in (work / ".git").rglob("*") if path.is_file()}
        assert {path.name for path in after} == {path.name for path in before}
        line = (core.run / session.id / "1" / "input.ndjson").read_text()
        assert '"type":"image"' in line.replace(" ", "")
        assert f"are in {uploads_of(core.run, session.id)} now" in line


async def test_a_branch_and_an_import_have_the_uploads_too(tmp_path: Path) -> None:
    rules = RetentionRules(max_ended=0)
    async with running_core(tmp_path, retention=rules) as core:
        session = await core.session()
        await send(core, session, "demo:text one", await upload(core, session, "a.txt", b"text", "text/plain"))
        turn = session.snapshot.last_turn
        assert turn is not None
        branch = await core.do(c.Branch(session_id=session.id, channel_id="x:2", turn_id=turn, key="2"))
        exported = await core.do(c.ExportSession(session_id=session.id, format=ExportFormat.JSON))
        lean = c.ExportSession(session_id=session.id, format=ExportFormat.JSON, with_uploads=False)
        assert len((await core.do(lean)).data) < len(exported.data)
        await core.do(c.Clear(session_id=session.id))
        await until(lambda: session.run is None)
        await core.do(c.ApplyRetention())
        assert not (core.run / session.id).exists()
        made = await core.do(c.ImportSession(channel_id="x:3", data=exported.data, key="3"))
        for each in (branch, made):
            stored = uploads_of(core.run, each.id) / "7" / "a.txt"
            assert stored.read_bytes() == b"text"
            assert stored.stat().st_mode & 0o777 == 0o600
        copy = await core.manager.get_session(made.id)
        await send(core, copy, "demo:text again")
        line = (core.run / made.id / "1" / "input.ndjson").read_text()
        assert f"are in {uploads_of(core.run, copy.id)} now" in line


@pytest.mark.parametrize("name", ["../../x", "7/.bashrc", "x"])
async def test_an_import_with_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    async with running_core(tmp_path) as core:
        session = await core.session()
        await send(core, session, "demo:text one", await upload(core, session, "a.txt", b"text", "text/plain"))
        exported = await core.do(c.ExportSession(session_id=session.id, format=ExportFormat.JSON))
        data = exported.data.replace(b'"7/a.txt"', f'"{name}"'.encode())
        assert data != exported.data
        with pytest.raises(ImportRefused):
            await core.do(c.ImportSession(channel_id="x:3", data=data, key="3"))


async def test_a_process_from_before_gets_its_files_where_it_may_read_them(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        session = await core.session()
        await core.ask(session, "demo:text one")
        uploads_of(core.run, session.id).rmdir()  # an earlier version made none
        file = await upload(core, session, "a.txt", b"text", "text/plain")
        assert file.path == ".attachments/7/a.txt"
        assert (Path(session.snapshot.work_directory) / file.path).read_bytes() == b"text"
