"""Every command stands in the table of who may give it, and every face can name it: none is forgotten."""

from collections.abc import Iterator
from typing import cast

import msgspec
import pytest

import api as c
from api import wire
from api.access import Action, Actor, Role, SessionFacts, may
from sessions.model import ShareLevel
from tests.api.every_command import ALL, OF_ONE_RUN, OF_ONE_SESSION, example

OWNER = "discord:1"
# Who may give it at the least: everybody below in the list may not, everybody above may.
RANKS = ["nobody", "viewer", "viewer, shared", "user", "view", "prompt", "approve", "owner", "admin"]
LEAST = {
    "nobody": {"note_refusal", "open_shared_page"},
    "viewer": {
        "find_session",
        "find_turn",
        "query_sessions",
        "search",
        "read_last_events",
        "list_queued_turns",
        *("list_folders", "list_backups", "verify_backup"),
        "make_login_link",
        *("query_runs", "list_templates"),
    },
    "viewer, shared": {
        *(
            "get_session",
            "read_turns",
            "read_turn",
            "read_ask",
            "read_asks",
            "read_block",
            "read_events",
            "read_work_place",
            "read_permissions",
        ),
        *("export_session", "read_trust", "read_sites", "list_checkpoints", "compare_checkpoints"),
        *(
            "read_turn_changes",
            "preview_restore",
            "list_branches",
            "compare_branch",
            "preview_merge",
            "read_set_up",
        ),
        *("read_timing", "show_changes", "draft_report", "read_folder", "list_notes", "read_artifacts"),
        "list_comments",
        "read_notices",
        "read_presence",
        *("get_run", "read_run_report", "read_run_patch"),
    },
    "user": {
        *("create_session", "get_or_create_session", "import_session", "list_projects", "start_run"),
        *("list_prompt_templates", "read_prompt_template", "restore_backup"),
        *("plan_cleanup", "apply_cleanup"),
        *("list_cleanup_rules", "save_cleanup_rule", "delete_cleanup_rule"),
        *("save_prompt_template", "delete_prompt_template"),
    },
    "prompt": {
        *("send_message", "run_command", "continue", "regenerate", "edit_queued", "withdraw_queued"),
        *("join_queued", "look_closer", "set_up_branch", "resolve_merge"),
        *(
            "move_to_front",
            "send_now",
            "try_now",
            "interrupt",
            "rewind_files",
            "branch",
            "end_left_running",
        ),
        *("add_comment", "remove_comment", "send_review"),
        *("move_to_front", "send_now", "try_now", "interrupt", "rewind_files", "branch", "end_left_running"),
        *("put_file", "get_file", "go_on_from", "take_checkpoint", "switch_changes"),
        *("add_note", "track_artifacts", "propose_end"),
        *("commit_branch", "revise_run_plan", "edit_run_tasks", "retry_task", "skip_task", "pause_run"),
        *("cancel_run", "offer_run_plan", "offer_run_tasks"),
    },
    "approve": {
        "answer_ask",
        "restore_files",
        "undo_restore",
        "approve_run_plan",
        "edit_run_plan",
        "resume_run",
    },
    "owner": {
        *(
            "set_model",
            "set_mode",
            "rename",
            "move_session",
            "pin",
            "share",
            "park",
            "hand_over",
            "clear",
            "restore_session",
            "purge",
        ),
        *("take_back_permission", "decide_trust", "decide_site"),
        *("merge_branch", "undo_merge", "remove_branch", "set_focus", "draft_end", "end_session"),
        *("draft_shared_page", "publish_shared_page", "list_shared_pages", "revoke_shared_page"),
        *("merge_run", "delete_run"),
        *("back_up_session", "export_bundle"),
    },
    "admin": {
        *("clear_all", "read_statistics", "read_audit", "plan_retention", "apply_retention"),
        *("hold_for_all", "list_conversations", "adopt_conversation", "list_trust"),
        *("back_up_all", "restore_project", "plan_rotation", "apply_rotation"),
    },
}
FOR_ALL = (Action.NOTE_REFUSAL, Action.OPEN_SHARED)
UNWRITTEN = {"note_refusal", "open_shared_page"}
"""Commands that are not reading, and write their own row of the audit or none."""


def _somebody(rank: str) -> tuple[Actor, SessionFacts]:
    shares = {level.value: {"discord:2": level} for level in ShareLevel}
    match rank:
        case "nobody" | "viewer" | "user" | "admin":
            return Actor("discord:2", "discord", Role(rank)), SessionFacts(OWNER)
        case "viewer, shared":
            return Actor("discord:2", "discord", Role.VIEWER), SessionFacts(OWNER, shares["approve"])
        case "owner":
            return Actor(OWNER, "discord", Role.USER), SessionFacts(OWNER)
        case _:
            return Actor("discord:2", "discord", Role.USER), SessionFacts(OWNER, shares[rank])


def tag_of(kind: type[c.Command[object]]) -> str:
    return str(kind.__struct_config__.tag)


def test_the_table_has_every_command_once() -> None:
    listed = [tag for tags in LEAST.values() for tag in tags]
    assert sorted(listed) == sorted(tag_of(kind) for kind in ALL)


def every_kind_below(kind: type[c.Command[object]]) -> Iterator[type[c.Command[object]]]:
    for each in kind.__subclasses__():
        yield each
        yield from every_kind_below(each)


def test_every_command_that_a_theme_defines_is_in_its_union() -> None:
    defined = {each for each in every_kind_below(c.Command) if each.__module__.startswith("api.")}
    assert {each for each in defined if each.__struct_config__.tag is not None} == set(ALL)


@pytest.mark.parametrize("kind", ALL, ids=tag_of)
def test_a_command_is_given_by_whom_the_table_says_and_by_nobody_below(kind: type[c.Command[object]]) -> None:
    least = next(rank for rank, tags in LEAST.items() if tag_of(kind) in tags)
    is_about_one = kind in (*OF_ONE_SESSION, *OF_ONE_RUN)
    for rank in RANKS:
        actor, facts = _somebody(rank)
        outranks = RANKS.index(rank) >= RANKS.index(least)
        # A viewer stays one, whatever is shared with them; a session that is not theirs is nobody's.
        if rank == "viewer, shared":
            outranks = kind.action in (Action.LIST, Action.LOG_IN, Action.VIEW, *FOR_ALL)
        if rank == "user" and is_about_one:
            outranks = False
        assert may(actor, kind.action, facts if is_about_one else None) is outranks, rank


@pytest.mark.parametrize("kind", ALL, ids=tag_of)
def test_a_command_says_whether_it_is_written_down_and_travels_whole(kind: type[c.Command[object]]) -> None:
    reads = kind.action in (Action.VIEW, Action.LIST) or tag_of(kind).startswith(
        ("read_", "plan_", "list_", "search")
    )
    changes = tag_of(kind) == "export_session"
    assert kind.audited is (tag_of(kind) not in UNWRITTEN and (changes or not reads))
    assert wire.requests.decode(msgspec.json.encode(_request(kind))) == _request(kind)


def _request(kind: type[c.Command[object]]) -> wire.Request:
    match example(kind):
        case c.PutFile() as wish:
            return wire.Put(id=1, wish=wish)
        case c.GetFile() as wish:
            return wire.Get(id=1, wish=wish)
        case command:
            return wire.Perform(id=1, command=cast("c.AnyCommand", command))
