"""The whole cycle with the real CLI: start, work, checkpoint, end, an empty bridge, restore, next prompt."""

import json
import shutil
from pathlib import Path

import pytest

import api as c
from bridge.demo.model import DemoModel
from sessions.model import Allow, PermissionMode
from sessions.stored_folders import NoteKind
from tests.service.test_backups import OWNER, policy_in
from tests.sessions.checkpointed import end_taken
from tests.sessions.running_core import idle, is_idle, reached, real_cli_core


@pytest.mark.real_cli
async def test_a_session_is_begun_worked_in_ended_and_goes_on_on_an_empty_bridge(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    async with DemoModel() as demo:
        async with real_cli_core(here, demo, checkpoints=policy_in(here)) as core:
            begun = await core.service.perform(OWNER, c.CreateSession(channel_id="c", focus="Two modules"))
            session = await core.manager.get_session(begun.id)
            await session.set_permission_mode(PermissionMode.ACCEPT_EDITS)
            await core.say(session, "demo:write a/x.py one demo:bash mkdir -p b && echo two > b/x.py")
            asking = await reached(session, lambda snapshot: bool(snapshot.asks) or is_idle(snapshot))
            for ask in asking.asks:
                await core.do(c.AnswerAsk(session_id=session.id, ask_id=ask.id, decision=Allow()))
            await idle(session)
            await end_taken(core, session)
            note = c.AddNote(session_id=begun.id, text="They differ", title="Two", kind=NoteKind.DECISION)
            await core.service.perform(OWNER, note)
            await core.service.perform(OWNER, c.TakeCheckpoint(session_id=begun.id, milestone=True))
            drafted = await core.service.perform(OWNER, c.DraftEnd(session_id=begun.id))
            assert (drafted.drafted_by, drafted.draft != "") == ("claude", True)
            ended = await core.service.perform(OWNER, c.EndSession(session_id=begun.id, score={"Logic": 5}))
            assert (ended.trouble, ended.summary) == ("", drafted.draft)
            made = await core.service.perform(OWNER, c.ReadArtifacts(session_id=begun.id))
            assert made.created == ("a/x.py", "b/x.py")
            bundle = core.directory / "backups" / f"{ended.backup}-backup.zip"
            shutil.copy(bundle, tmp_path / "kept.zip")
        shutil.rmtree(here)
        async with real_cli_core(there, demo, checkpoints=policy_in(there)) as core:
            data = (tmp_path / "kept.zip").read_bytes()
            info = await core.service.perform(OWNER, c.ImportSession(channel_id="c", data=data))
            session = await core.manager.get_session(info.id)
            work = Path(session.snapshot.work_directory)
            assert ((work / "a/x.py").read_text(), (work / "b/x.py").read_text()) == ("one", "two\n")
            folder = await core.service.perform(OWNER, c.ReadFolder(session_id=info.id))
            assert folder.name == f"{ended.name}-restored"
            await core.ask(session, "demo:text On it goes.")
            transcripts = list(core.claude.glob(f"projects/*/{session.snapshot.conversation_id}.jsonl"))
            rows = [json.loads(line) for path in transcripts for line in path.read_text().splitlines()]
            asked = [str(row["message"]["content"]) for row in rows if row.get("type") == "user"]
            assert any("demo:write a/x.py one" in each for each in asked)
            assert any("demo:text On it goes." in each for each in asked)
            again = await core.service.perform(OWNER, c.EndSession(session_id=info.id))
            assert again.backup == f"sessions/{ended.name}-restored"
