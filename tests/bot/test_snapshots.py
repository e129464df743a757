"""Whole channels as a person reads them. Each scenario's text is in `snapshots/`, for review."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

import tests.bot.scenarios_of_asks  # noqa: F401  # its scenarios are listed by being read
from sessions import events as e
from sessions.model import (
    Activity,
    Blocker,
    Note,
    PermissionBody,
    Text,
    Thinking,
    ToolCall,
    ToolOutput,
    TurnStatus,
)
from sessions.run_shown import RunShown, ShownCheck
from sessions.topics import Topic
from sessions.troubles import Limit, LimitState, LimitWindow
from tests.bot.room import Room, room
from tests.bot.room import patient as patient  # noqa: PLC0414
from tests.bot.scenarios import NPM, SCENARIOS, call, done, scenario
from tests.fakes.discord_server import FakeDiscord

Check = Callable[[str, str], None]


PATCH = "@@ -10,3 +10,4 @@\n def login():\n-    return None\n+    user = find()\n+    return user"
PROSE = "The login fails because `find()` is never called.\n\n"


@scenario
async def a_coding_turn(r: Room) -> None:
    s = r.session
    await s.prompt("Fix the login")
    await s.add(
        Thinking("The user wants the login fixed. I should look first."),
        Text("I'll look at the login first."),
        call(1, "Read", file_path="/srv/workspaces/shop/src/login.py"),
        done(1, "\n".join(f"{n}\tline" for n in range(120))),
        call(2, "Grep", pattern="def find"),
        done(2, "src/users.py:12:def find():"),
        call(
            3,
            "TodoWrite",
            todos=[{"content": "Fix", "status": "completed"}, {"content": "Test", "status": "pending"}],
        ),
        done(3, "ok"),
        call(4, "Edit", file_path="/srv/workspaces/shop/src/login.py", old_string="a", new_string="b"),
        done(4, "", paths=("/srv/workspaces/shop/src/login.py",), patch=PATCH),
        call(5, "Bash", command="pytest -q tests/test_login.py", description="Run the tests"),
        done(5, "Exit code 1\nE  AssertionError: expected 200, got 500", is_error=True),
        call(6, "Task", description="Look for other callers", prompt="…"),
        ToolCall("t61", "Read", {"file_path": "/x"}, parent="t6"),
        ToolOutput("t61", "x", parent="t6"),
        done(6, "None."),
        Text(
            PROSE
            + "| File | Change |\n| --- | --- |\n| login.py | calls `find()` |\n\n"
            + "```python\nuser = find()\n```\nDone."
        ),
    )
    await s.end(duration_ms=21_000)


@scenario
async def a_prompt_and_its_answer(r: Room) -> None:
    s = r.session
    r.owner.send(r.thread, "The login page answers 500 since yesterday. Find out why, and repair it.")
    await s.prompt("Fix the login")
    await s.add(
        Text("I'll look at the login first."),
        call(1, "Read", file_path="/srv/workspaces/shop/src/login.py"),
        done(1, "\n".join(f"{n}\tline" for n in range(120))),
        call(2, "Edit", file_path="/srv/workspaces/shop/src/login.py", old_string="a", new_string="b"),
        done(2, "", paths=("/srv/workspaces/shop/src/login.py",), patch=PATCH),
        call(3, "Bash", command="pytest -q tests/test_login.py", description="Run the tests"),
        done(3, "12 passed in 0.41s"),
        Text(
            "`login()` returned nothing: it never looked the user up. Now it does, and the tests pass.\n\n"
            "| File | Change |\n| --- | --- |\n| login.py | calls `find()` |\n| users.py | none |\n\n"
            "```python\nuser = find()\nreturn user\n```\nShall I add a test for a user who is not there?"
        ),
    )
    await s.end(duration_ms=21_000)


@scenario
async def a_picture_below_its_answer(r: Room) -> None:
    s = r.session
    r.stage.files.mkdir()
    for name in ("sales.png", "costs.png"):
        (r.stage.files / name).write_bytes(b"\x89PNG\r\n\x1a\n" + name.encode())
    r.owner.send(r.thread, "Draw the sales of the year beside the costs.")
    await s.prompt("Draw the sales")
    await s.add(
        call(1, "Bash", command="python plot.py"),
        done(1, "saved sales.png\nsaved costs.png"),
        Text("Sales grew in spring: ![Sales](sales.png)\n\nCosts did not: ![Costs](costs.png)"),
    )
    await s.end(duration_ms=9_000)


@scenario
async def a_run_of_a_work_flow(r: Room) -> None:
    s = r.session
    run = RunShown("0189", "Log in with a passkey", "planning", "plan", branch="bridge/log-in-with-a-passkey")
    await s.happen(e.RunChanged(run))
    await s.prompt("Plan this request")
    await s.add(Text("Here is the plan."))
    await s.end(duration_ms=9_000)
    checks = (ShownCheck("tests", True), ShownCheck("types", False))
    working = replace(
        run, status="implementing", phase="implement", tasks=7, tasks_over=3, current="Store the key", round=2
    )
    await s.happen(
        e.RunChanged(
            replace(
                working,
                max_rounds=3,
                checks=checks,
                cost_usd=1.42,
                low_s=300,
                high_s=1_080,
                basis="from 3 tasks done",
            )
        )
    )


@scenario
async def somebody_else_goes_on(r: Room) -> None:
    s = r.session
    r.fake.member("bob").send(r.thread, "Yes, and run the tests of the browser side as well.")
    await s.prompt("Run the tests")
    await s.add(
        Text("The test is added. For the browser side I need a test runner."), call(1, "Bash", **NPM.input)
    )
    await s.ask(NPM)


@scenario
async def many_steps_become_one_line(r: Room) -> None:
    s = r.session
    await s.prompt("Look around")
    for n in range(1, 15):
        await s.add(call(n, "Read", file_path=f"/srv/workspaces/shop/src/file{n}.py"), done(n, "x\ny"))
    await s.add(call(20, "mcp__github__list_issues", query="is:open"))


@scenario
async def an_answer_that_grows(r: Room) -> None:
    s = r.session
    await s.prompt("Explain")
    await s.say("Here is **how it wor")
    await r.thread.wait_for_message("how it wor")
    await s.say("ks**:\n\n```python\ndef login():\n    return fi")


@scenario
async def prompts_that_wait(r: Room) -> None:
    s = r.session
    await s.prompt("One")
    second = await s.queue("Two, with `code` and @everyone")
    await s.queue("Three")
    await s.queue("Four")
    await r.settled()
    await s.happen(e.TurnWithdrawn(second, "discord:1"))


@scenario
async def a_prompt_that_meets_a_usage_limit(r: Room) -> None:
    s = r.session
    turn = await s.prompt("One")
    await r.settled()
    limit = Limit(LimitWindow.WEEKLY, LimitState.REACHED, "opus", 1_700_000_000_000)
    await s.happen(
        e.ActivityChanged(Activity.WORKING, Activity.BLOCKED, "a limit", Blocker.USAGE_LIMIT, limit=limit),
        e.Noticed(Topic.USAGE_LIMIT, until_ms=limit.until_ms, limit=limit),
        e.TurnHeldBack(turn, "another uuid"),
    )
    await r.settled()
    await s.happen(e.ActivityChanged(Activity.BLOCKED, Activity.IDLE, "the usage limit is over"))
    await s.happen(e.TurnSent(turn, 1), e.TurnStarted(turn))
    await s.add(Text("Here it is."))
    await s.end()


@scenario
async def ends_of_all_kinds(r: Room) -> None:
    s = r.session
    await s.prompt("One")
    await s.add(Text("I begin to"))
    await s.end(TurnStatus.INTERRUPTED)
    await s.prompt("Two")
    await s.end(TurnStatus.FAILED, reason="Claude is overloaded right now; try again in a moment.")
    await s.prompt("Three")
    await s.add(Text("I was in the middle of"), call(1, "Bash", command="sleep 60"))
    await s.end(TurnStatus.CUT, reason="Claude's process was killed.")


@scenario
async def a_long_turn_calls_its_owner(r: Room) -> None:
    s = r.session
    await s.prompt("Take your time")
    await s.add(
        call(1, "Write", file_path="/w/a"), done(1, "", paths=("/w/a",), patch="+a"), Text("It is done.")
    )
    await s.end(duration_ms=131_000)


@scenario
async def a_very_long_answer_becomes_a_file(r: Room) -> None:
    s = r.session
    await s.prompt("Write a lot")
    await s.add(Text("\n\n".join(f"Paragraph {n}. " + "Words follow words. " * 25 for n in range(30))))
    await s.end()


@scenario
async def asked_again(r: Room) -> None:
    s = r.session
    first = await s.prompt("Name a colour")
    await s.add(Text("Red."))
    await s.end()
    await r.settled()
    second = await s.prompt("Name a colour", alternative_of=first)
    await s.add(Text("Green."))
    await s.end()
    await r.settled()
    third = await s.prompt("Name a colour", alternative_of=first)
    await s.add(Text("Blue."))
    await s.end()
    await r.settled()
    await r.view.choose_alternative(s.id, first, second)
    await r.settled()
    assert third != second


@scenario
async def turns_that_nobody_typed_here(r: Room) -> None:
    s = r.session
    await s.start(await s.queue("Look at\nthe *issue*", origin="discord:menu:5"))
    await s.add(Text("I looked."), Note("compacted", "Compacted from 160,000 to 12,000 tokens."))
    await s.end()
    await r.settled()
    turn = await s.queue("x")
    await s.happen(e.TurnWithdrawn(turn, "x"))
    background = type(turn)("00000000-0000-4000-8000-000000000001")
    await s.happen(e.BackgroundTurnStarted(background, s.snapshot.next_turn))
    s.turn, s.ordinal = background, 0
    await s.add(Text("The server in the background is up."))
    await s.end()


@scenario
async def notices(r: Room) -> None:
    s = r.session
    until = r.stage.clock.now_ms() + 3_600_000
    await s.prompt("Go on")
    await s.happen(
        e.ActivityChanged(
            Activity.WORKING,
            Activity.BLOCKED,
            "Claude is overloaded right now; trying again in 4 s (try 2 of 10).",
            Blocker.RETRYING,
        ),
        e.Noticed(Topic.OVERLOADED, "Claude is overloaded right now; trying again in 4 s (try 2 of 10)."),
    )
    await r.settled()
    await s.happen(e.ActivityChanged(Activity.BLOCKED, Activity.WORKING, "Claude answers again"))
    await s.happen(e.Noticed(Topic.USAGE_WARNING, "85 % of the account's five-hour limit is used.", until))
    await s.happen(
        e.Noticed(
            Topic.USAGE_LIMIT,
            "The account's five-hour limit is used up. Queued prompts wait, and go on when it opens again.",
            until,
        )
    )
    await s.happen(e.ContextMeasured(170_000, 200_000))
    await s.happen(
        e.Noticed(
            Topic.LOGIN,
            "Claude is not logged in, or the login has expired. Run `claude auth login` on the machine.",
        )
    )
    await s.happen(e.Noticed(Topic.ASK_REMINDER, "10 min left to answer. Then it counts as denied."))
    await s.happen(e.Noticed(Topic.DISK, "Only 200 MB are free on the disk."))


@scenario
async def a_retry_is_told_below_the_answer(r: Room) -> None:
    s = r.session
    await s.prompt("Go on")
    await s.add(Text("I begin."))
    cause = "Claude is overloaded right now; trying again in 4 s (try 2 of 10)."
    await s.happen(
        e.ActivityChanged(Activity.WORKING, Activity.BLOCKED, cause, Blocker.RETRYING),
        e.Noticed(Topic.OVERLOADED, cause),
    )


@scenario
async def hostile_text_stays_text(r: Room) -> None:
    s = r.session
    await s.prompt("@everyone <@&5> ```")
    await s.say("@everyone <@1> ```\n@here")
    await s.add(
        Text("@everyone <@1> <@&5> [safe](https://evil.example) \u202egnp.exe ```py\nnever closed"),
        call(1, "Bash", command="echo '@everyone' ```\n# fake\u202e"),
        done(1, "@here <@1>", is_error=True),
        Note("odd", "**bold** @everyone"),
    )
    body = PermissionBody(
        "Bash", "t1", {"command": "rm -rf / ```\n@everyone \u202eevil"}, description="@everyone **x**"
    )
    await s.ask(body)


@pytest.mark.parametrize("name", SCENARIOS)
async def test_the_channel_reads_as_reviewed(
    name: str, patient: FakeDiscord, tmp_path: Path, check_snapshot: Check
) -> None:
    async with room(patient, tmp_path) as r:
        await SCENARIOS[name](r)
        await r.settled()
        # Whether a post was there before its last words came is a matter of time.
        check_snapshot(name, r.thread.snapshot().replace("bot, edited", "bot"))
        pinged = {ping.user_id for ping in patient.bot_pings}
        assert pinged <= {r.owner.id}


async def test_a_finished_turn_pings_only_when_it_took_long(patient: FakeDiscord, tmp_path: Path) -> None:
    async with room(patient, tmp_path) as r:
        await r.session.prompt("short")
        await r.session.end(duration_ms=2_000)
        await r.settled()
        assert patient.bot_pings == []
        await r.session.prompt("long")
        await r.session.end(duration_ms=31_000)
        await r.settled()
        assert [ping.user_id for ping in patient.bot_pings] == [r.owner.id]
