"""The meaning of typed lines."""

from typing import Any

import pytest

import api as c
from console import commands as s
from sessions.model import PermissionMode, SessionId
from sessions.restore_scope import RestoreScope
from sessions.stored_folders import NoteKind


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("/help", s.Help()),
        (" /quit ", s.Quit()),
        ("/exit", s.Quit()),
        ("/stop", s.StopTurn()),
        ("/sessions", s.ListSessions()),
        ("/switch 2", s.SwitchTo("2")),
        ("/templates", s.ListTemplates()),
        ("/template Re view | a b| c ", s.UseTemplate("Re view", ("a b", "c"))),
        ("/template-keep Sum | x | y", s.KeepTemplate("Sum", "x | y")),
        ("/template-keep Sum", s.KeepTemplate("Sum", "")),
        ("/search two words", s.SearchFor("two words")),
        ("/new", s.NewSession("")),
        ("/new  shop/api ", s.NewSession("shop/api")),
        ("/branch new", s.NewBranch()),
        ("/branch new same", s.NewBranch(own_copy=False)),
        ("/permissions", s.ListPermissions()),
        ("/permissions back 2", s.TakeBack(2)),
        ("/checkpoint list", s.ListCheckpoints()),
        ("/checkpoint show 2", s.WithCheckpoint(s.CheckpointAct.SHOW, 2)),
        (
            "/checkpoint restore 3 all",
            s.WithCheckpoint(s.CheckpointAct.RESTORE, 3, RestoreScope.EVERYTHING),
        ),
        ("/etc/hosts is odd", None),
        ("/", None),
        ("// a comment", None),
        ("hello /help", None),
        ("", None),
    ],
)
def test_a_slash_line_means_what_help_says(line: str, meaning: s.SlashCommand | None) -> None:
    assert s.parse_slash(line) == meaning


@pytest.mark.parametrize(
    ("line", "wish"),
    [
        ("/rename A  title", c.Rename(session_id="id", title="A  title")),
        ("/model opus", c.SetModel(session_id="id", model="opus")),
        ("/mode ACCEPTEDITS", c.SetMode(session_id="id", mode=PermissionMode.ACCEPT_EDITS)),
        ("/pin", c.Pin(session_id="id")),
        ("/checkpoint take  my label", c.TakeCheckpoint(session_id="id", label="my label")),
        ("/checkpoint undo", c.UndoRestore(session_id="id")),
        ("/unpin", c.Pin(session_id="id", pinned=False)),
        ("/continue", c.Continue(session_id="id", origin="o")),
        ("/try", c.TryNow(session_id="id")),
        ("/checkpoint take green", c.TakeCheckpoint(session_id="id", label="green")),
        ("/checkpoint milestone v1", c.TakeCheckpoint(session_id="id", label="v1", milestone=True)),
        ("/focus", c.ReadFolder(session_id="id")),
        ("/focus Fix it", c.SetFocus(session_id="id", focus="Fix it")),
        ("/note Look here", c.AddNote(session_id="id", text="Look here")),
        (
            "/decision Use a token | It expires",
            c.AddNote(session_id="id", title="Use a token", text="It expires", kind=NoteKind.DECISION),
        ),
        ("/notes", c.ListNotes(session_id="id")),
        ("/artifacts", c.ReadArtifacts(session_id="id")),
        ("/end", c.DraftEnd(session_id="id")),
        ("/end just", c.Clear(session_id="id")),
        ("/end ok", c.EndSession(session_id="id")),
        (
            "/end ok Role 4, Logic 3 | It works.",
            c.EndSession(session_id="id", summary="It works.", score={"Role": 4, "Logic": 3}),
        ),
        ("/backup create", c.BackUpSession(session_id="id")),
        ("/network", c.ReadSites(session_id="id")),
        ("/network allow a.org", c.DecideSite(session_id="id", name="a.org", allow=True)),
        ("/network refuse a.org", c.DecideSite(session_id="id", name="a.org", allow=False)),
        ("/page", c.ListSharedPages(session_id="id")),
        (
            "/page draft secret word",
            c.DraftSharedPage(session_id="id", options=c.ShareOptions(take_out=("secret", "word"))),
        ),
        ("/page publish p1", c.PublishSharedPage(session_id="id", page_id="p1")),
        ("/page publish p1 90", c.PublishSharedPage(session_id="id", page_id="p1", days=90)),
        ("/page revoke p1", c.RevokeSharedPage(session_id="id", page_id="p1")),
        ("/move other shop", c.MoveSession(session_id="id", project="other shop")),
        (
            "/compact keep\nthe plan",
            c.RunCommand(session_id="id", name="compact", arguments="keep\nthe plan", origin="o"),
        ),
        ("/mcp__s:tool x", c.RunCommand(session_id="id", name="mcp__s:tool", arguments="x", origin="o")),
    ],
)
def test_a_slash_line_on_the_session_is_a_command_of_the_api(line: str, wish: c.SessionCommand[Any]) -> None:
    meaning = s.parse_slash(line)
    assert isinstance(meaning, s.OfSession)
    assert meaning.make("id", "o") == wish


def test_a_session_without_a_folder_is_told_the_command_of_the_terminal() -> None:
    meaning = s.parse_slash("/focus")
    assert isinstance(meaning, s.OfSession)
    assert "one: /focus TEXT" in meaning.said(c.FolderInfo(session_id=SessionId("id")))


_DELETE = c.CleanupRule(verb=c.RetentionVerb.DELETE, older_than_days=30, project="my site v2")


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("/backup", c.ListBackups()),
        ("/backup list", c.ListBackups()),
        ("/backup create daily", c.BackUpAll()),
        ("/backup create v1.0 release", c.BackUpAll(label="v1.0 release")),
        ("/backup verify daily/x", c.VerifyBackup(backup_id="daily/x")),
        ("/backup restore daily/x web", c.RestoreProject(backup_id="daily/x", project="web")),
        ("/backup cleanup", c.PlanRotation()),
        ("/backup cleanup yes", c.ApplyRotation()),
        ("/cleanup", c.ListCleanupRules()),
        ("/cleanup drop 1a", c.DeleteCleanupRule(daily_id="1a")),
        ("/cleanup archive 7.5", c.PlanCleanup(rule=c.CleanupRule(older_than_days=7.5))),
        ("/cleanup daily delete 30 my site v2", c.SaveCleanupRule(rule=_DELETE)),
    ],
)
def test_a_slash_line_on_backups_is_a_command_of_the_api(line: str, meaning: c.Command[Any]) -> None:
    found = s.parse_slash(line)
    assert isinstance(found, s.OfBridge)
    assert found.command == meaning
    assert s.parse_slash("/backup restore sessions/x web") == s.RestoreSessionBackup("sessions/x", "web")
    # The core knows which backups there are, and says why one cannot be restored like this.
    assert s.parse_slash("/backup restore nope") == s.RestoreSessionBackup("nope", "")


@pytest.mark.parametrize(
    "line",
    [
        "/switch",
        "/page publish",
        "/page publish p1 91",
        "/page publish p1 soon",
        "/page show",
        "/cleanup daily",
        "/cleanup purge 3",
        "/cleanup delete -1",
        "/cleanup delete soon",
        "/search",
        "/template",
        "/template-keep | x",
        "/rename",
        "/model",
        "/mode",
        "/mode wild",
        "/permissions x",
        "/checkpoint",
        "/checkpoint show 2 all",
        "/note",
        "/decision",
        "/end maybe",
        "/end ok Role much",
        "/backup verify",
        "/backup restore a b c",
    ],
)
def test_what_lacks_something_is_answered_with_a_sentence(line: str) -> None:
    assert isinstance(s.parse_slash(line), s.NotUnderstood)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("/chekpoint list", "/checkpoint?"),
        ("/checkpoints", "/checkpoint?"),
        ("/session start x", "/focus"),
        ("/workflow start x", "claude-bridge workflow start"),
        ("/compact", ""),
    ],
)
def test_an_unknown_command_leads_to_the_one_that_may_be_meant(line: str, word: str) -> None:
    meaning = s.parse_slash(line)
    assert isinstance(meaning, s.OfSession)
    assert (meaning.hint == "") if word == "" else (word in meaning.hint)


def test_hints_are_the_commands_that_may_be_meant() -> None:
    modes = next(usage for usage in s.GUIDE if usage.startswith("/mode "))
    assert s.hints("/mo") == ["/model NAME", modes, "/move PROJECT"]
    assert s.hints("/model opus") == s.hints("words") == []


def test_every_command_of_the_guide_is_known() -> None:
    meanings = {usage: s.parse_slash(usage.split()[0]) for usage in s.GUIDE}
    made = {usage: each.make("id", "o") for usage, each in meanings.items() if isinstance(each, s.OfSession)}
    assert [usage for usage, wish in made.items() if isinstance(wish, c.RunCommand)] == []
