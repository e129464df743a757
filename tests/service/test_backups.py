"""Backups: bundles of sessions and of everything, verified, rotated, and restored on an empty bridge."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

import api as c
from api.access import Actor, Role
from archives.rotation import BackupRules, Kept, due
from service import ServiceParts, SessionService
from service.backup_round import is_due
from service.whole_backup import PROJECTS
from sessions.checkpointing import CheckpointPolicy
from sessions.errors import BackupRefused, SessionError
from sessions.stored_folders import NoteKind
from storage.files import write_whole
from tests.sessions.running_core import RunningCore, running_core
from workdirs.checkpoint_model import Reason
from workdirs.checkpoint_rules import CheckpointRules, RetentionAges
from workdirs.model import Caps

OWNER = Actor("discord:1", "discord", Role.USER)
OTHER = Actor("discord:2", "discord", Role.USER)
ADMIN = Actor("discord:9", "discord", Role.ADMIN)


def policy_in(home: Path) -> CheckpointPolicy:
    """Checkpoints of a bridge below `home`."""
    return CheckpointPolicy(CheckpointRules(home / "checkpoints", Caps(), RetentionAges()))


class Bridges:
    """Makes bridges, each on a machine of its own below `root`."""

    def __init__(self, root: Path, stack: AsyncExitStack) -> None:
        self._root = root
        self._stack = stack

    async def start(self, name: str) -> RunningCore:
        home = self._root / name
        return await self._stack.enter_async_context(running_core(home, checkpoints=policy_in(home)))


@pytest.fixture
async def bridges(tmp_path: Path) -> AsyncIterator[Bridges]:
    async with AsyncExitStack() as stack:
        yield Bridges(tmp_path, stack)


async def made(core: RunningCore, focus: str = "Login", project: str = "") -> c.FolderInfo:
    wish = c.CreateSession(channel_id="c", focus=focus, project=project)
    session = await core.service.perform(OWNER, wish)
    return await core.service.perform(OWNER, c.ReadFolder(session_id=session.id))


def work(core: RunningCore, project: str = "default") -> Path:
    return core.directory / "workspaces" / project


def fill(place: Path) -> dict[str, tuple[bytes, int]]:
    """Write files of every kind, and return what they are."""
    files = {
        "a/x.py": (b"one\r\n", 0o644),
        "b/x.py": (b"two\n", 0o755),
        "secret": (b"\xff\x00", 0o600),
        "c:\\odd \n name": (b"odd", 0o644),
    }
    for name, (data, mode) in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)
    (place / "link").symlink_to("a/x.py")
    (place / os.fsdecode(b"\xff.txt")).write_bytes(b"not UTF-8")
    return files


def found(place: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(place).as_posix(): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in place.rglob("*")
        if path.is_file() and not path.is_symlink() and path.name.isascii()
    }


async def ended(core: RunningCore, folder: c.FolderInfo) -> c.FolderInfo:
    wish = c.EndSession(session_id=folder.session_id, summary="All done", score={"Logic": 3})
    return await core.service.perform(OWNER, wish)


async def test_an_ended_session_goes_on_on_an_empty_bridge_with_its_files_notes_and_checkpoints(
    bridges: Bridges,
) -> None:
    here = await bridges.start("here")
    folder = await made(here)
    files = fill(work(here))
    take = c.TakeCheckpoint(session_id=folder.session_id, label="works", milestone=True)
    await here.service.perform(OWNER, take)
    await here.service.perform(
        OWNER, c.AddNote(session_id=folder.session_id, text="Why", kind=NoteKind.DECISION)
    )
    note = here.directory / "projects/default/sessions/active" / folder.name / "decisions/001-why.md"
    note.write_text("edited by hand")
    over = await ended(here, folder)
    out = await here.service.perform(OWNER, c.ExportBundle(session_id=folder.session_id))
    assert (out.name, out.data[:2]) == (f"{folder.name}-backup.zip", b"PK")
    assert (over.trouble, over.backup, over.metrics.milestones) == ("", f"sessions/{folder.name}", 1)
    archive = here.directory / "projects/default/sessions/archive" / folder.name
    assert len(list((archive / "snapshots").iterdir())) == 2
    verified = await here.service.perform(OWNER, c.VerifyBackup(backup_id=over.backup))
    assert verified.backup.damage == ""

    there = await bridges.start("there")
    place = there.directory / "backups" / "sessions"
    place.mkdir(parents=True)
    shutil.copy(here.directory / "backups" / f"{over.backup}-backup.zip", place)
    [offered] = (await there.service.perform(ADMIN, c.ListBackups())).backups
    assert (offered.id, offered.kind, offered.project) == (over.backup, c.BackupKind.SESSION, "default")
    restore = c.RestoreBackup(backup_id=offered.id, channel_id="c")
    session = await there.service.perform(OWNER, restore)
    assert found(work(there)) == files
    assert (work(there) / "link").readlink() == Path("a/x.py")
    again = await there.service.perform(OWNER, c.ReadFolder(session_id=session.id))
    assert (again.name, again.origin) == (f"{folder.name}-restored", folder.name)
    assert (again.draft, again.is_archived, session.id != folder.session_id) == ("All done", False, True)
    [decision] = (await there.service.perform(OWNER, c.ListNotes(session_id=session.id))).notes
    assert (decision.text, decision.is_edited) == ("edited by hand", True)
    points = (await there.service.perform(OWNER, c.ListCheckpoints(session_id=session.id))).checkpoints
    assert [each.label for each in points if each.reason is Reason.MILESTONE] == ["works"]
    second = await there.service.perform(OWNER, restore)
    third = await there.service.perform(OWNER, c.ReadFolder(session_id=second.id))
    assert (third.name, second.project) == (again.name, "default-restored")
    assert found(work(there, "default-restored")) == files
    shutil.rmtree(work(there))
    beside = await there.service.perform(OWNER, restore)
    names = await there.service.perform(OWNER, c.ReadFolder(session_id=beside.id))
    assert (names.name, beside.project) == (f"{folder.name}-restored-2", "default")
    assert list((there.directory / "backups" / "incoming").iterdir()) == []


async def test_two_projects_keep_their_bundles_though_their_ids_are_one(bridges: Bridges) -> None:
    here = await bridges.start("here")
    for project in ("web", "server"):
        work(here, project).mkdir(parents=True)
    one, other = await made(here, "x", "web"), await made(here, "x", "server")
    assert one.name == other.name
    backups = [(await ended(here, each)).backup for each in (one, other)]
    assert backups == [f"sessions/{one.name}", f"sessions/{one.name}-2"]
    assert len(list((here.directory / "backups" / "sessions").glob("*.zip"))) == 2


async def test_others_see_no_bundle_of_a_session_and_only_an_admin_sees_the_rest(bridges: Bridges) -> None:
    here = await bridges.start("here")
    folder = await made(here)
    info = await here.service.perform(OWNER, c.BackUpSession(session_id=folder.session_id))
    daily = await here.service.perform(ADMIN, c.BackUpAll())
    ids = {
        actor.user_id: {each.id for each in (await here.service.perform(actor, c.ListBackups())).backups}
        for actor in (OWNER, OTHER, ADMIN)
    }
    assert ids == {"discord:1": {info.id}, "discord:2": set(), "discord:9": {info.id, daily.id}}
    refused: list[c.Command[Any]] = [
        c.VerifyBackup(backup_id=info.id),
        c.RestoreBackup(backup_id=info.id, channel_id="c"),
        c.VerifyBackup(backup_id=daily.id),
    ]
    for wish in refused:
        with pytest.raises(BackupRefused, match="no such backup"):
            await here.service.perform(OTHER, wish)
    with pytest.raises(SessionError):
        await here.service.perform(OWNER, c.BackUpAll())


async def test_a_second_daily_of_a_day_and_a_second_milestone_get_numbers_and_a_project_comes_back(
    bridges: Bridges,
) -> None:
    here = await bridges.start("here")
    await made(here)
    files = fill(work(here))
    day = (await here.service.perform(ADMIN, c.BackUpAll())).id
    assert (await here.service.perform(ADMIN, c.BackUpAll())).id == f"{day}-2"
    first = await here.service.perform(ADMIN, c.BackUpAll(label="v1.0 release"))
    assert (first.id, first.kind, first.trouble) == ("milestones/v1-0-release", c.BackupKind.MILESTONE, "")
    again = await here.service.perform(ADMIN, c.BackUpAll(label="v1.0 release"))
    assert again.id == "milestones/v1-0-release-2"
    done = await here.service.perform(ADMIN, c.RestoreProject(backup_id=first.id, project="default"))
    assert (done.project, found(work(here, done.project))) == ("default-restored", files)
    with pytest.raises(BackupRefused, match="it has: default"):
        await here.service.perform(ADMIN, c.RestoreProject(backup_id=first.id, project="nothing"))
    modes = {path.stat().st_mode & 0o777 for path in (here.directory / "backups").rglob("*") if path.is_file()}
    assert modes == {0o600}


@pytest.mark.parametrize(
    ("now", "made", "wanted"),
    [
        ("2026-01-31 03:29", [], True),
        ("2026-01-31 03:29", ["2026-01-30 03:30"], False),
        ("2026-01-31 03:30", ["2026-01-30 03:30"], True),
        ("2026-01-31 03:31", ["2026-01-31 03:30"], False),
        ("2026-01-31 23:59", ["2026-01-31 03:30"], False),
        ("2026-02-01 12:00", ["2026-01-31 03:31"], True),  # the machine slept
        ("2026-01-31 12:00", ["2026-02-07 03:30"], True),  # the clock was wrong
    ],
)
def test_a_daily_backup_is_due_when_its_time_has_passed_since_the_last(
    now: str, made: list[str], wanted: bool
) -> None:
    moments = [datetime.fromisoformat(each) for each in made]
    assert is_due(moments, datetime.fromisoformat(now), time(3, 30)) is wanted


async def test_the_round_makes_one_backup_a_day_and_drills_it(bridges: Bridges) -> None:
    here = await bridges.start("here")
    await made(here)
    fill(work(here))
    for _ in range(2):
        await here.service.back_up_if_due(time(0, 0))
    [daily] = (await here.service.perform(ADMIN, c.ListBackups())).backups
    assert (daily.damage, daily.drilled_ms is not None, daily.copied_code) == ("", True, None)


@pytest.mark.parametrize("damage", [b'[{"file": "\xff"}]', b"[" * 100_000, b"{}"])
async def test_a_drill_of_a_damaged_backup_says_so_and_ends_the_round(
    bridges: Bridges, monkeypatch: pytest.MonkeyPatch, damage: bytes
) -> None:
    here = await bridges.start("here")
    await made(here)

    def write_damaged(path: Path, data: bytes, **more: Any) -> None:
        write_whole(path, damage if path.name == PROJECTS else data, **more)

    # Damaged before its hashes were taken, as by an error of the bridge or of its memory.
    monkeypatch.setattr("service.whole_backup.write_whole", write_damaged)
    await here.service.back_up_if_due(time(0, 0))
    [daily] = (await here.service.perform(ADMIN, c.ListBackups())).backups
    assert daily.damage.startswith("It cannot be restored: ")
    assert daily.drilled_ms is not None


async def test_each_backup_is_copied_elsewhere_once_and_nobody_waits_for_it(bridges: Bridges) -> None:
    here = await bridges.start("here")
    copied: list[Path] = []

    async def copy(path: Path) -> int:
        copied.append(path)
        return len(copied) - 1

    service = SessionService(ServiceParts(here.manager, copy_elsewhere=copy))
    folder = await made(here)
    bundle = await service.perform(OWNER, c.BackUpSession(session_id=folder.session_id))
    daily = await service.perform(ADMIN, c.BackUpAll())
    assert (copied, bundle.copied_code) == ([], None)
    for _ in range(2):
        await service.copy_new_backups()
    root = here.directory / "backups"
    assert copied == [root / f"{bundle.id}-backup.zip", root / daily.id]
    found = {each.id: each.copied_code for each in (await service.perform(ADMIN, c.ListBackups())).backups}
    assert found == {bundle.id: 0, daily.id: 1}


def test_the_rules_keep_the_newest_of_days_and_weeks() -> None:
    days = [datetime(2026, 1, 31, tzinfo=UTC) - timedelta(days=n) for n in range(60)]
    backups = [Kept(f"daily/{each:%Y-%m-%d}", "daily", each) for each in days]
    backups += [Kept("daily/2026-01-31-2", "daily", days[0] + timedelta(hours=1))]
    backups += [Kept("sessions/old", "session", days[50]), Kept("milestones/v1", "milestone", days[59])]
    gone = set(due(backups, BackupRules(3, 4, 30), days[0] + timedelta(hours=2)))
    kept = sorted(each.id for each in backups if each.id not in gone)
    assert kept == [
        *("daily/2026-01-11", "daily/2026-01-18", "daily/2026-01-25"),
        *("daily/2026-01-29", "daily/2026-01-30", "daily/2026-01-31-2", "milestones/v1"),
    ]
    assert due(backups, BackupRules(None, 0, None), days[0]) == []
    assert len(set(due(backups, BackupRules(1, 0, None), days[0]))) == 60


async def test_verify_finds_any_changed_or_missing_byte(bridges: Bridges) -> None:
    here = await bridges.start("here")
    folder = await made(here)
    fill(work(here))
    backups = [
        await here.service.perform(OWNER, c.BackUpSession(session_id=folder.session_id)),
        await here.service.perform(ADMIN, c.BackUpAll()),
    ]
    root = here.directory / "backups"
    for backup in backups:
        files = [root / f"{backup.id}-backup.zip"]
        if backup.kind is c.BackupKind.DAILY:
            files = [path for path in (root / backup.id).rglob("*") if path.is_file()]
        assert files
        for file in files:
            whole = file.read_bytes()
            assert await _damage(here, backup) == ""
            file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
            assert "differs" in await _damage(here, backup), file.name
            file.unlink()
            assert "gone" in await _damage(here, backup), file.name
            file.write_bytes(whole)


async def _damage(core: RunningCore, backup: c.BackupInfo) -> str:
    return (await core.service.perform(ADMIN, c.VerifyBackup(backup_id=backup.id))).backup.damage


async def test_a_bundle_with_hostile_facts_or_checkpoints_writes_nothing(bridges: Bridges) -> None:
    import hashlib
    import json
    import zipfile

    here = await bridges.start("here")
    folder = await made(here)
    fill(work(here))
    await here.service.perform(OWNER, c.TakeCheckpoint(session_id=folder.session_id))
    info = await here.service.perform(OWNER, c.BackUpSession(session_id=folder.session_id))
    with zipfile.ZipFile(here.directory / "backups" / f"{info.id}-backup.zip") as bundle:
        whole = {name: bundle.read(name) for name in bundle.namelist()}
    facts = json.loads(whole["facts.json"])
    point = facts["checkpoints"][-1]
    hostile: list[dict[str, bytes]] = [
        {"facts.json": json.dumps({**facts, **change}).encode()}
        for change in (
            {"name": "../../x"},
            {"project": "../out"},
            {"project": "/etc"},
            {
                "notes": [
                    {"kind": "note", "title": "", "text": "", "file": "../x", "author_id": "", "made_ms": 0}
                ]
            },
            {"number": "x"},
            {"checkpoints": [{**point, "commit": "0" * 40}]},
            {"checkpoints": [{**point, "ref": "refs/heads/x"}]},
        )
    ]
    hostile += [{"checkpoints.bundle": b"# v2 git bundle\n\n"}, {"session.json": b"{}"}]
    before = sorted(str(path) for path in (here.directory / "workspaces").rglob("*"))
    sessions = len((await here.service.perform(ADMIN, c.QuerySessions())).sessions)
    with pytest.raises(BackupRefused, match="not a ZIP file"):
        await here.service.perform(OWNER, c.ImportSession(channel_id="c", data=b"PK\x03\x04"))
    for change in hostile:
        files = {**whole, **change}
        manifest = json.loads(files.pop("manifest.json"))
        manifest["entries"] = [
            {"path": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "mode": 0o600}
            for name, data in files.items()
        ]
        place = here.directory / "x.zip"
        with zipfile.ZipFile(place, "w") as bundle:
            for name, data in {**files, "manifest.json": json.dumps(manifest).encode()}.items():
                bundle.writestr(name, data)
        with pytest.raises(SessionError):
            await here.service.perform(OWNER, c.ImportSession(channel_id="c", data=place.read_bytes()))
        after = sorted(str(path) for path in (here.directory / "workspaces").rglob("*"))
        assert after == before, change
    assert len((await here.service.perform(ADMIN, c.QuerySessions())).sessions) == sessions
    assert list((here.directory / "backups" / "incoming").iterdir()) == []


async def test_a_full_disk_and_an_unreadable_folder_are_said_and_lose_nothing(
    bridges: Bridges, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = await bridges.start("here")
    folder = await made(here)
    real, left = os.fsync, [0]

    def full(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    left[0] = 0
    with pytest.raises(BackupRefused, match="no space left"):
        await here.service.perform(OWNER, c.BackUpSession(session_id=folder.session_id))
    monkeypatch.setattr(os, "fsync", real)
    assert (await here.service.perform(ADMIN, c.ListBackups())).backups == ()
    assert [path for path in (here.directory / "backups").rglob("*") if path.is_file()] == []
    again = await here.service.perform(OWNER, c.BackUpSession(session_id=folder.session_id))
    assert again.size_bytes > 0
