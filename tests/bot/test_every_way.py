"""Every command and control of the bot stands in a table of whom it obeys: a new one cannot be forgotten."""

import asyncio
import re
from contextlib import suppress
from typing import Any

import pytest
from discord import AppCommandOptionType as OptionKind
from discord import app_commands

from api import Share
from api.access import Action
from bot.actors import core_id
from bot.bodies import Button, Control, Plain, Verb
from bot.discord_bodies import message_kwargs
from bot.entry import NOT_YOURS
from bot.rows import insert_controls
from sessions.model import ShareLevel
from sessions.session import Session
from tests.api.every_command import ALL
from tests.bot.ways import ADMIN, Ways, core, fake, town, ways
from tests.fakes.discord_server import NotOffered, Person
from tests.sessions.running_core import DEADLINE_S

__all__ = ["core", "fake", "town", "ways"]

# What somebody needs at the least, in the thread of a session of somebody else's.
COMMANDS = {
    "a role": {
        *("help", "web", "session start", "session list", "files import", "channel show"),
        *("workflow start", "workflow list", "backup list", "backup verify"),
    },
    "view": {
        "session resume",  # of one that is shown well, it only says where
        *(
            "session info",
            "files export",
            "turn queue",
            "settings permissions",
            "settings trust",
            "settings network",
        ),
        *("checkpoint list", "checkpoint show", "checkpoint compare"),
        *("branch list", "branch pick", "branch compare", "branch merge", "branch remove", "changes show"),
        *("branch report", "workflow show", "workflow report", "session focus"),
    },
    "prompt": {
        *("claude", "template", "turn stop", "turn continue", "turn regenerate", "turn branch", "turn command"),
        *("files get", "checkpoint take", "branch new", "changes off", "changes on"),
        *("note", "decision"),
        *("workflow pause", "workflow retry", "workflow skip", "workflow add", "workflow cancel"),
    },
    "approve": {"checkpoint restore", "checkpoint undo", "workflow resume"},
    "owner": {
        *("session rename", "session move", "session pin", "session share", "session mute", "session page"),
        *(
            "session handover",
            "session clear",
            "session end",
            "backup create",
            "backup export",
            "settings model",
            "settings mode",
        ),
    },
    "admin": {
        *(
            "admin stats",
            "admin sessions",
            "admin projects",
            "admin clear-all",
            "admin audit",
            "admin sync",
            "admin doctor",
        ),
        *("channel project", "channel model", "channel mode", "backup restore"),
    },
}
MENUS = {"Ask Claude about this"}  # needs a role; `test_access.py` goes through it
# Controls of messages. Those of ephemeral cards and dialogs come from a card that somebody was shown.
CONTROLS = {
    "view": {Verb.EXPORT, Verb.DETAILS, Verb.SHOW_ALL, Verb.MORE, Verb.OPEN_ANSWER, Verb.BROWSER}
    | {Verb.PREVIEW_MERGE, Verb.MERGE_MESSAGE},
    "prompt": {
        *(Verb.STOP, Verb.CONTINUE, Verb.REGENERATE, Verb.BRANCH, Verb.MOVE, Verb.TRY_NOW, Verb.FILES),
        *(Verb.LOOK_CLOSER, Verb.WRITE_GUIDE, Verb.SET_UP_BRANCH),
        *(
            Verb.ALTERNATIVE,
            Verb.GO_ON_FROM,
            Verb.CANCEL_QUEUED,
            Verb.SEND_NOW,
            Verb.JOIN_QUEUED,
            Verb.REWIND_FILES,
        ),
        *(Verb.END_LEFT_RUNNING, Verb.RESOLVE_MERGE),
    },
    "approve": {
        *(Verb.ALLOW, Verb.ALLOW_SESSION, Verb.ALLOW_ALWAYS, Verb.DENY, Verb.DENY_NOTE, Verb.CHOOSE),
        *(Verb.CHOOSE_ONE, Verb.CHOOSE_TEXT, Verb.SUBMIT_ANSWERS, Verb.ANSWER_WITH_PROMPT, Verb.APPROVE_PLAN),
        *(Verb.APPROVE_EDITS, Verb.REVISE_PLAN),
        *(Verb.FILL_FORM, Verb.SEND_FORM, Verb.FOLLOW_LINK, Verb.POSTPONE),
    },
    "owner": {
        *(Verb.MODEL, Verb.USE_MODEL, Verb.TAKE_BACK, Verb.TRUST, Verb.SITE),
        *(Verb.MERGE_BRANCH, Verb.UNDO_MERGE, Verb.REMOVE_BRANCH),
    },
    "admin": {Verb.HOLD_FOR_ALL},
    "its card": {
        *(
            Verb.PAGE,
            Verb.CONFIRM,
            Verb.ASK_ABOUT,
            Verb.TEMPLATE,
            Verb.PUBLISH,
            Verb.CHECKPOINT,
            Verb.REPORT,
            Verb.RUN,
        ),
        Verb.FOLDER,
    },
}
HAS = {
    "mel": set[str](),
    "bob": {"a role"},
    "sam": {"a role", "view", "prompt"},
    "ann": {"a role", "view", "prompt", "approve", "owner"},
}
REFUSED = re.compile("ou may not|no session of this id")


def every_command(ways: Ways) -> list[app_commands.Command[Any, Any, Any]]:
    walked = ways.client.tree.walk_commands()
    return [each for each in walked if isinstance(each, app_commands.Command)]


async def test_the_tables_have_every_command_and_control(ways: Ways) -> None:
    commands = {each.qualified_name for each in every_command(ways)}
    assert set().union(*COMMANDS.values()) == commands
    assert sum(map(len, COMMANDS.values())) == len(commands)
    menus = ways.client.tree.get_commands(guild=None, type=None)
    assert {each.name for each in menus if isinstance(each, app_commands.ContextMenu)} == MENUS
    assert set().union(*CONTROLS.values()) == set(Verb)
    assert sum(map(len, CONTROLS.values())) == len(Verb)


async def the_person(ways: Ways, session: Session, who: str) -> Person:
    """Somebody of the town; sam is somebody with whom the session is shared for prompts."""
    if who != "sam":
        return getattr(ways.town, who)  # type: ignore[no-any-return]  # by name
    sam = ways.fake.member("sam", ways.town.users)
    share = Share(session_id=session.id, grantee=core_id(sam.id), level=ShareLevel.PROMPT)
    await ways.core.do(share, ADMIN)
    return sam


@pytest.mark.parametrize("who", HAS)
async def test_a_command_obeys_whom_the_table_says(ways: Ways, who: str) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    person = await the_person(ways, session, who)
    obeyed: set[str] = set()
    # What ends the session comes last.
    for command in sorted(every_command(ways), key=lambda each: each.qualified_name == "session clear"):
        given = {each.name: _value(ways, session, each) for each in command.parameters if each.required}
        outcome = await person.slash(thread, command.qualified_name, **given).settled()
        assert outcome.text, command.qualified_name
        if who == "mel":
            assert outcome.text == NOT_YOURS
        if not REFUSED.search(outcome.text):
            obeyed.add(command.qualified_name)
    assert obeyed == set().union(*(COMMANDS.get(right, set()) for right in HAS[who]))


def _value(ways: Ways, session: Session, option: app_commands.Parameter) -> Any:
    """Something that the option takes."""
    if option.name == "session":
        return session.id
    if option.choices:
        return option.choices[0].value
    match option.type:
        case OptionKind.string:
            return "x" * int(option.min_value or 1)
        case OptionKind.integer | OptionKind.number:
            return int(option.min_value or 1)
        case OptionKind.boolean:
            return True
        case OptionKind.attachment:
            return ("a.json", b"{}")
        case _:
            return ways.town.vic


@pytest.mark.parametrize(("who", "may"), [("bob", set()), ("sam", {Action.VIEW, Action.PROMPT})])
async def test_no_control_does_for_somebody_what_they_may_not(ways: Ways, who: str, may: set[Action]) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    person = await the_person(ways, session, who)
    turn = (await ways.turns(session))[0].turn
    left = [Button(Control(verb, session.id, turn.id, turn.id), verb) for verb in Verb]
    while left:
        # As few messages as Discord allows: it takes five in five seconds.
        panel = Plain("a panel", tuple(tuple(left[at : at + 5]) for at in range(0, 25, 5) if left[at:]))
        await ways.core.db.write(insert_controls(panel))
        message = await ways.client.get_partial_messageable(thread.id).send(**message_kwargs(panel))
        shown = next(each for each in thread.from_bot if each.id == message.id)
        untouched = len(left)
        with suppress(NotOffered):  # some clicks take the panel away
            for button in left[:25]:
                await person.click(shown, button.label).acknowledged()
                left.remove(button)
        assert len(left) < untouched
    async with asyncio.timeout(DEADLINE_S):
        while await ways.core.db.read("SELECT 1 FROM inbox WHERE status = 'new'"):  # noqa: ASYNC110  nothing tells
            await asyncio.sleep(0.01)
    done = "SELECT DISTINCT action FROM audit WHERE allowed AND actor = ? AND session_id = ?"
    tags = {str(row[0]) for row in await ways.core.db.read(done, (core_id(person.id), session.id))}
    needed = {kind.action for kind in ALL if kind.__struct_config__.tag in tags}
    assert needed <= may
