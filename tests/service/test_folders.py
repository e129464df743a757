"""The folder of a session: its readable id, its files as views of rows, notes, artifacts, and its end."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import api as c
from api.access import Actor, Role
from archives.folder import SessionFolder
from service import FolderRules, ServiceParts, SessionService, folder_facts, session_folders
from sessions.errors import EndedAlready, FolderRefused
from sessions.model import Lifecycle
from sessions.stored_folders import NoteKind
from storage import Statement
from tests.sessions.kit import FakeClock, House, idle, send, until

OWNER = Actor("discord:1", "discord", Role.USER)
DAY_S = 86_400


@pytest.fixture
async def service(here: House) -> SessionService:
    return SessionService(ServiceParts(here.manager))


async def focused(service: SessionService, focus: str = "Login", **wish: Any) -> c.FolderInfo:
    made = await service.perform(OWNER, c.CreateSession(channel_id="c", focus=focus, **wish))
    return await service.perform(OWNER, c.ReadFolder(session_id=made.id))


def folders_of(here: House, project: str = "default") -> Path:
    return here.root / "projects" / project / "sessions"


def facts(folder: Path) -> Any:
    return YAML(typ="safe", pure=True).load((folder / "session.yaml").read_bytes())


async def test_fifty_sessions_that_begin_at_once_with_one_focus_get_fifty_numbers(
    here: House, service: SessionService
) -> None:
    made = await asyncio.gather(*(focused(service, "The same focus") for _ in range(50)))
    day = made[0].name[:10]
    assert sorted(each.name for each in made) == [f"{day}-session-{n:03d}-the-same-focus" for n in range(1, 51)]
    assert len(list((folders_of(here) / "active").iterdir())) == 50


async def test_numbers_go_on_where_the_clock_was_set_back_and_begin_anew_on_another_day_and_in_another_project(
    here: House, service: SessionService
) -> None:
    (here.root / "workspaces" / "other").mkdir()
    first = await focused(service)
    here.clock.seconds += DAY_S
    assert (await focused(service)).name.split("-")[4] == "001"
    here.clock.seconds -= DAY_S + 3600 * (1 if _same_day(here.clock, 3600) else 0)
    again = await focused(service)
    assert (again.name[:10], again.name.split("-")[4]) == (first.name[:10], "002")
    assert (await focused(service, project="other")).name.split("-")[4] == "001"
    listed = (await service.perform(OWNER, c.ListFolders(project="default"))).folders
    assert [each.name.split("-")[4] for each in listed] == ["001", "002", "001"]


def _same_day(clock: FakeClock, back_s: int) -> bool:
    return (clock.seconds % DAY_S) > back_s + DAY_S / 24


async def test_the_folder_shows_the_rows_and_is_written_again_when_somebody_deleted_it(
    here: House, service: SessionService
) -> None:
    made = await focused(service, 'Say "no": 1e3')
    folder = folders_of(here) / "active" / made.name
    assert {each.name for each in folder.iterdir()} >= {
        "artifacts",
        "notes",
        "decisions",
        "snapshots",
        "README.md",
    }
    assert facts(folder)["focus"] == 'Say "no": 1e3'
    note = await service.perform(OWNER, c.AddNote(session_id=made.session_id, text="First\n\nmore"))
    why = c.AddNote(session_id=made.session_id, text="Because", title="Use SQLite", kind=NoteKind.DECISION)
    await service.perform(OWNER, why)
    assert (note.number, note.title) == (1, "First")
    assert "Because" in (folder / "decisions" / "001-use-sqlite.md").read_text()
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()
    await service.perform(OWNER, c.SetFocus(session_id=made.session_id, focus="Another text"))
    assert (facts(folder)["focus"], facts(folder)["id"]) == ("Another text", made.name)
    assert (folder / "notes" / "001-first.md").is_file()
    assert oct((folder / "session.yaml").stat().st_mode)[-3:] == "600"
    tracking = (here.root / "projects" / "default" / "TRACKING.md").read_text()
    assert f"| {made.name} | Another text | active |" in tracking


async def test_the_folder_follows_turns_and_titles_while_the_bridge_runs(
    here: House, service: SessionService
) -> None:
    made = await focused(service)
    folder = folders_of(here) / "active" / made.name
    keeping = asyncio.create_task(service.keep_folders())
    await asyncio.sleep(0)
    session = await here.manager.get_session(made.session_id)
    await send(session, "hello")
    await until(lambda: facts(folder)["metrics"]["turns"] == 1 and facts(folder)["metrics"]["cost_usd"] > 0)
    await session.rename("Another title")
    await until(lambda: facts(folder)["title"] == "Another title")
    await here.manager.clear_session(made.session_id)  # as a rule of retention does
    await until((folders_of(here) / "archive" / made.name / "session.yaml").is_file)
    assert not folder.exists()
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_a_copy_for_people_lies_in_the_project_ignored_by_git_and_follows_no_link(here: House) -> None:
    rules = FolderRules(copy_as="our-sessions")
    service = SessionService(ServiceParts(here.manager, folder_rules=rules))
    work = here.root / "workspaces" / "default"
    made = await focused(service)
    (work / ".git" / "info").mkdir(parents=True)
    (work / ".git" / "info" / "exclude").write_text("*.log")
    await service.perform(OWNER, c.SetFocus(session_id=made.session_id, focus="One"))
    await service.perform(OWNER, c.SetFocus(session_id=made.session_id, focus="Two"))
    copy = work / "our-sessions" / made.name
    assert facts(copy)["focus"] == "Two"
    assert (work / ".git" / "info" / "exclude").read_text() == "*.log\n/our-sessions/\n"
    assert (work / "our-sessions" / ".gitignore").read_text() == "*\n"
    (copy / "session.yaml").unlink()
    (copy / "session.yaml").mkdir()  # a copy that cannot be written stops nothing
    await service.perform(OWNER, c.SetFocus(session_id=made.session_id, focus="Three"))
    outside = here.root / "outside"
    outside.mkdir()
    (work / "our-sessions").rename(work / "old")
    (work / "our-sessions").symlink_to(outside)
    await service.perform(OWNER, c.SetFocus(session_id=made.session_id, focus="Four"))
    assert list(outside.iterdir()) == []


async def test_a_disk_that_refuses_is_said_and_the_files_come_when_it_works_again(
    here: House, service: SessionService
) -> None:
    made = await focused(service)
    projects = here.root / "projects"
    projects.rename(here.root / "away")
    projects.write_text("in the way")
    with pytest.raises(FolderRefused, match="could not be written"):
        await service.perform(OWNER, c.AddNote(session_id=made.session_id, text="Kept in the row"))
    ended = await service.perform(OWNER, c.EndSession(session_id=made.session_id, summary="Over"))
    assert (ended.is_ended, "could not be written" in ended.trouble) == (True, True)
    projects.unlink()
    await service.perform(OWNER, c.RestoreSession(session_id=made.session_id))
    folder = folders_of(here) / "active" / made.name
    assert (folder / "notes" / "001-kept-in-the-row.md").is_file()
    assert facts(folder)["focus"] == "Login"


async def test_an_edited_note_stays_and_is_read_back(here: House, service: SessionService) -> None:
    made = await focused(service)
    await service.perform(OWNER, c.AddNote(session_id=made.session_id, text="Mine"))
    file = folders_of(here) / "active" / made.name / "notes" / "001-mine.md"
    file.write_text("Edited by a person")
    await service.perform(OWNER, c.AddNote(session_id=made.session_id, text="Another"))
    notes = (await service.perform(OWNER, c.ListNotes(session_id=made.session_id))).notes
    assert [(each.text, each.is_edited) for each in notes] == [("Edited by a person", True), ("Another", False)]
    file.unlink()
    file.symlink_to("/etc/passwd")  # a link is not followed: the row counts
    notes = (await service.perform(OWNER, c.ListNotes(session_id=made.session_id))).notes
    assert notes[0].text == "Mine"


async def test_artifacts_fold_the_changes_of_checkpoints_and_keep_whole_paths(
    here: House, service: SessionService
) -> None:
    made = await focused(service)
    changes = [
        *(("01", path, "created") for path in (b"a/x.py", b"b/x.py", b"gone.py")),
        *(("02", b"a/x.py", "changed"), ("02", b"gone.py", "deleted"), ("02", b"old.py", "deleted")),
        *(("03", b"old.py", "created"), ("03", b"README", "changed"), ("03", b"\xff", "created")),
    ]
    await here.db.write([Statement("INSERT INTO work_directories VALUES ('/w', '/w', 's', 'c', 0)", ())])
    for checkpoint in ("01", "02", "03"):
        row = (
            "INSERT INTO checkpoints (id, directory, owner, anchor, reason, label, status, made_ms)"
            " VALUES (?, '/w', ?, '', 'turn_end', '', 'taken', 0)"
        )
        await here.db.write([Statement(row, (checkpoint, made.session_id))])
        for at, path, kind in changes:
            if at == checkpoint:
                row = "INSERT INTO file_changes VALUES (?, ?, '/w', ?, 'turn', ?, 2, 1)"
                await here.db.write([Statement(row, (at, path, made.session_id, kind))])
        await service.perform(OWNER, c.ReadArtifacts(session_id=made.session_id))
    found = await service.perform(OWNER, c.ReadArtifacts(session_id=made.session_id))
    assert found.created == ("a/x.py", "b/x.py", "\ufffd")
    assert (found.changed, found.deleted, found.added) == (("README", "old.py"), (), 14)
    (here.root / "workspaces" / "default" / "built.bin").touch()
    for bad, why in {
        "../x": "The file “x” is not below",
        "/etc/passwd": "The file “passwd” is not below",
        "no-such-file": "There is no file “no-such-file”",
        ".": "Name a file",
        "": "Name a file",
    }.items():
        with pytest.raises(FolderRefused, match=why):
            await service.perform(OWNER, c.TrackArtifacts(session_id=made.session_id, paths=(bad,)))
    named = c.TrackArtifacts(session_id=made.session_id, paths=("built.bin",))
    assert "built.bin" in (await service.perform(OWNER, named)).changed


async def test_a_cancelled_refresh_holds_the_folder_until_its_thread_has_ended(
    here: House, service: SessionService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the older text could be written after the newer one."""
    made = await focused(service)
    loop, begun, go = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    order: list[str] = []
    write = SessionFolder.write

    def held(folder: SessionFolder, views: Any) -> None:
        if not begun.is_set():
            loop.call_soon_threadsafe(begun.set)
            assert go.wait(20)
        order.append("second" if b"Second" in views["session.yaml"] else "first")
        write(folder, views)

    monkeypatch.setattr(SessionFolder, "write", held)
    acts = []
    for focus in ("First", "Second"):
        wish = c.SetFocus(session_id=made.session_id, focus=focus)
        acts.append(asyncio.create_task(service.perform(OWNER, wish)))
        await begun.wait()
    acts[0].cancel()
    # The second one is done in fewer turns than this, unless it has to wait.
    for _ in range(30):
        await here.db.write([Statement("UPDATE session_folders SET origin = origin", ())])
    go.set()
    await acts[1]
    with pytest.raises(asyncio.CancelledError):
        await acts[0]
    assert order == ["first", "second"]


async def test_two_notes_at_once_do_not_exceed_the_limit(
    here: House, service: SessionService, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await focused(service)
    monkeypatch.setattr(c, "MAX_NOTES", 1)
    notes = [c.AddNote(session_id=made.session_id, text=text, origin=text) for text in ("one", "two")]
    done = await asyncio.gather(*(service.perform(OWNER, note) for note in notes), return_exceptions=True)
    assert sorted(type(each).__name__ for each in done) == ["FolderNote", "FolderRefused"]
    # Sent again after its answer was lost, a stored note is no further one.
    (stored,) = (await service.perform(OWNER, c.ListNotes(session_id=made.session_id))).notes
    again = next(note for note in notes if note.text == stored.text)
    assert (await service.perform(OWNER, again)).number == 1


async def test_changes_that_are_read_while_a_file_is_tracked_count_once(
    here: House, service: SessionService, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await focused(service)
    (here.root / "workspaces" / "default" / "built.bin").touch()
    checkpoint = (
        "INSERT INTO checkpoints (id, directory, owner, anchor, reason, label, status, made_ms)"
        " VALUES ('01', '/w', ?, '', 'turn_end', '', 'taken', 0)"
    )
    folder_of, arrived = session_folders._folder, False

    async def folder_before_a_checkpoint(parts: Any, session_id: str) -> Any:
        nonlocal arrived
        found = await folder_of(parts, session_id)
        if not arrived:
            arrived = True
            change = "INSERT INTO file_changes VALUES ('01', ?, '/w', ?, 'turn', 'changed', 2, 1)"
            values = (made.session_id,)
            await here.db.write([Statement(checkpoint, values), Statement(change, (b"x", *values))])
            reading = asyncio.create_task(session_folders.take_in_changes(parts, session_id))
            # It reads and writes in fewer turns than this, unless it has to wait for its own.
            for _ in range(20):
                await here.db.write([Statement("UPDATE work_directories SET made_ms = 0", ())])
            readings.append(reading)
        return found

    readings: list[asyncio.Task[Any]] = []
    await here.db.write([Statement("INSERT INTO work_directories VALUES ('/w', '/w', 's', 'c', 0)", ())])
    monkeypatch.setattr(session_folders, "_folder", folder_before_a_checkpoint)
    await service.perform(OWNER, c.TrackArtifacts(session_id=made.session_id, paths=("built.bin",)))
    await asyncio.gather(*readings)
    found = await service.perform(OWNER, c.ReadArtifacts(session_id=made.session_id))
    assert (found.added, found.removed) == (2, 1)


async def test_numbers_of_checkpoints_count_also_what_is_not_listed(
    here: House, service: SessionService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_facts, "MOST_CHECKPOINTS", 2)
    made = await focused(service)
    await here.db.write([Statement("INSERT INTO work_directories VALUES ('/w', '/w', 's', 'c', 0)", ())])
    checkpoint = (
        "INSERT INTO checkpoints (id, directory, owner, anchor, reason, label, status, made_ms)"
        " VALUES (?, '/w', ?, '', 'milestone', ?, 'taken', 0)"
    )
    for number in range(1, 5):
        await here.db.write([Statement(checkpoint, (f"0{number}", made.session_id, f"the {number}."))])
    await service.perform(OWNER, c.AddNote(session_id=made.session_id, text="writes the folder", origin="n"))
    shown = facts(folders_of(here) / "active" / made.name)
    assert [(each["number"], each["label"]) for each in shown["checkpoints"]] == [(3, "the 3."), (4, "the 4.")]
    assert shown["metrics"]["milestones"] == 4


async def test_the_end_keeps_summary_and_score_and_moves_the_folder(
    here: House, service: SessionService
) -> None:
    made = await focused(service)
    session = await here.manager.get_session(made.session_id)
    await send(session, "hello")
    await idle(session)
    drafted = await service.perform(OWNER, c.DraftEnd(session_id=made.session_id))
    assert (drafted.drafted_by, drafted.draft) == ("claude", "Beside the conversation: a summary.")
    with pytest.raises(FolderRefused, match="Role, Understanding"):
        await service.perform(OWNER, c.EndSession(session_id=made.session_id, score={"Luck": 3}))
    with pytest.raises(FolderRefused, match="0 to 5"):
        await service.perform(OWNER, c.EndSession(session_id=made.session_id, score={"Logic": 6}))
    wish = c.EndSession(session_id=made.session_id, summary="# Done\nAll of it.", score={"Logic": 4})
    ended = await service.perform(OWNER, wish)
    assert (ended.is_ended, ended.is_archived, ended.score, ended.metrics.turns) == (
        True,
        True,
        {"Logic": 4},
        1,
    )
    assert session.snapshot.lifecycle is Lifecycle.ENDED
    folder = folders_of(here) / "archive" / made.name
    assert facts(folder)["score"] == {"Logic": 4}
    assert facts(folder)["end_time"] is not None
    assert "All of it." in (folder / "summary.md").read_text()
    assert not (folders_of(here) / "active" / made.name).exists()
    assert "| archived | 4 of 5 | Done |" in (here.root / "projects" / "default" / "TRACKING.md").read_text()
    with pytest.raises(EndedAlready, match="has ended already"):
        await service.perform(OWNER, c.EndSession(session_id=made.session_id))
    await service.perform(OWNER, c.RestoreSession(session_id=made.session_id))
    again = await service.perform(OWNER, c.ReadFolder(session_id=made.session_id))
    assert (again.is_archived, again.is_ended, again.draft) == (False, False, "# Done\nAll of it.")
    assert facts(folders_of(here) / "active" / made.name)["end_time"] is None


async def test_a_proposal_changes_nothing_by_itself_and_is_refused_after_a_day(
    here: House, service: SessionService
) -> None:
    made = await focused(service)
    await service.perform(OWNER, c.ProposeEnd(session_id=made.session_id, summary="Wrap up"))
    session = await here.manager.get_session(made.session_id)
    proposed_ms = here.clock.now_ms()
    here.clock.seconds += DAY_S + 1
    assert session.snapshot.lifecycle is not Lifecycle.ENDED
    with pytest.raises(FolderRefused, match="older than a day"):
        await service.perform(OWNER, c.EndSession(session_id=made.session_id, proposed_ms=proposed_ms))
    ended = await service.perform(OWNER, c.EndSession(session_id=made.session_id))
    assert ended.summary == "Wrap up"


@pytest.mark.parametrize("steps", range(16))
async def test_an_end_that_is_killed_at_any_write_is_undone_or_finished_at_the_next_start(
    here: House, service: SessionService, steps: int
) -> None:
    made = await focused(service)
    session = await here.manager.get_session(made.session_id)
    here.death.left = steps
    wish = c.EndSession(session_id=made.session_id, summary="Over", score={"Role": 5})
    ending = asyncio.ensure_future(service.perform(OWNER, wish))
    await asyncio.wait([ending, asyncio.ensure_future(here.death.came.wait())], return_when="FIRST_COMPLETED")
    await here.restart()
    await asyncio.gather(ending, return_exceptions=True)
    again = SessionService(ServiceParts(here.manager))
    await again.finish_cut_acts()
    found = await again.perform(OWNER, c.ReadFolder(session_id=made.session_id))
    session = await here.manager.get_session(made.session_id)
    is_over = session.snapshot.lifecycle is Lifecycle.ENDED
    assert (found.is_ended, found.is_archived, found.summary) == (is_over, is_over, "Over" if is_over else "")
    there = [each.name for each in folders_of(here).glob(f"*/{made.name}")]
    assert there == [made.name]
    assert (folders_of(here) / ("archive" if is_over else "active") / made.name / "session.yaml").is_file()


async def test_just_ending_archives_the_folder_without_a_summary(here: House, service: SessionService) -> None:
    made = await focused(service)
    await service.perform(OWNER, c.Clear(session_id=made.session_id))
    found = await service.perform(OWNER, c.ReadFolder(session_id=made.session_id))
    assert (found.is_archived, found.summary, found.backup) == (True, "", "")
