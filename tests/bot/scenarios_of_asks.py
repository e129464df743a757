"""Scenarios of asks: open, decided, answered, and what goes on below them."""

from sessions.model import (
    Allow,
    AllowAlways,
    Answer,
    ApprovePlan,
    Choice,
    Deny,
    FieldChoice,
    FieldKind,
    FillForm,
    FollowLink,
    FormBody,
    FormField,
    LinkBody,
    PermissionBody,
    PlanBody,
    Question,
    QuestionBody,
    RevisePlan,
    Text,
)
from tests.bot.room import Room
from tests.bot.scenarios import NPM, call, done, scenario


@scenario
async def a_permission_that_waits(r: Room) -> None:
    s = r.session
    await s.prompt("Run the tests")
    await s.add(Text("I need a test runner."), call(1, "Bash", **NPM.input))
    await s.ask(NPM)


@scenario
async def permissions_that_are_decided(r: Room) -> None:
    s = r.session
    await s.prompt("Run the tests")
    await s.add(Text("I need a test runner."), call(1, "Bash", **NPM.input))
    ask = await s.ask(NPM)
    await r.settled()
    await s.decide(ask, AllowAlways(0), by=f"discord:{r.owner.id}")
    await s.add(done(1, "added 200 packages"), Text("Installed. Now I remove the old one."))
    edit = {
        "file_path": "/srv/workspaces/shop/package.json",
        "old_string": '"jest": "28"',
        "new_string": '"jest": "29"',
    }
    await s.add(call(2, "Edit", **edit))
    ask = await s.ask(PermissionBody("Edit", "t2", edit))
    await r.settled()
    await s.decide(ask, Deny("Leave the old version in place."), by=f"discord:{r.owner.id}")
    await s.add(done(2, "The user doesn't want this.", is_error=True), call(3, "Bash", command="npm test"))
    ask = await s.ask(PermissionBody("Bash", "t3", {"command": "npm test"}))
    await r.settled()
    await s.decide(ask, Allow(), by="terminal:root")
    await s.add(done(3, "ok\nok"), Text("All tests pass."))
    await s.end()


@scenario
async def a_question_and_a_plan(r: Room) -> None:
    s = r.session
    question = QuestionBody(
        "t1",
        (
            Question(
                "Which database should it use?",
                "Database",
                (Choice("SQLite", "One file"), Choice("Postgres", "A server")),
            ),
            Question("Which checks?", "Checks", (Choice("Lint"), Choice("Types")), multi_select=True),
        ),
        {},
    )
    await s.prompt("Plan it")
    await s.add(call(1, "AskUserQuestion"))
    first = await s.ask(question)
    await r.settled()
    answers = {"Which database should it use?": "SQLite", "Which checks?": "Lint, Types"}
    await s.decide(first, Answer(answers), by=f"discord:{r.owner.id}")
    await s.add(done(1, "SQLite"), call(2, "ExitPlanMode"))
    plan = PlanBody("t2", "# Plan\n1. Write the schema\n2. Move the data\n\n**Risk**: downtime.", {})
    second = await s.ask(plan)
    await r.settled()
    await s.decide(second, RevisePlan("Add a backup first."), by=f"discord:{r.owner.id}")
    await s.add(done(2, "no", is_error=True), call(3, "ExitPlanMode"))
    await s.ask(PlanBody("t3", "# Plan\n0. Back up\n1. Write the schema", {}))
    await r.settled()


@scenario
async def a_question_that_waits(r: Room) -> None:
    s = r.session
    await s.prompt("Ask me")
    await s.add(call(1, "AskUserQuestion"))
    await s.ask(
        QuestionBody(
            "t1", (Question("Which colour?", "Colour", (Choice("Red", "Like fire"), Choice("Blue"))),), {}
        )
    )


@scenario
async def an_mcp_server_asks(r: Room) -> None:
    s = r.session
    by = f"discord:{r.owner.id}"
    await s.prompt("Read my mail")
    login = await s.ask(LinkBody("mail", "Log in to **your** mail.", "https://login.example/auth?x=1"))
    await r.settled()
    await s.decide(login, FollowLink(), by=by)
    fields = (
        FormField(
            "box", FieldKind.CHOICE, "Box", "Where it lies", (FieldChoice("i", "Inbox"),), is_required=True
        ),
        FormField("days", FieldKind.INTEGER, "Days", most=9, default=("3",)),
    )
    first = await s.ask(FormBody("mail", "Which mails?", fields))
    await r.settled()
    await s.decide(first, FillForm({"box": ("i",), "days": ("5",)}), by=by)
    await s.ask(FormBody("mail", "Which others?", fields))
    await s.ask(LinkBody("mail", "", "https://bank.example@evil.example/"))


@scenario
async def an_approved_plan_goes_on_below(r: Room) -> None:
    s = r.session
    await s.prompt("Plan it")
    await s.add(Text("Here is my plan."), call(1, "ExitPlanMode"))
    ask = await s.ask(PlanBody("t1", "1. Do it", {}))
    await r.settled()
    await s.decide(ask, ApprovePlan(accept_edits=True), by=f"discord:{r.owner.id}")
