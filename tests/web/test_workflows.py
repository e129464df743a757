"""Runs of work-flows in the browser and by the API: started, decided on, watched as a board, merged."""

import os
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

import api as c
from tests.web.chromium import CHROMIUM, logged_in, phone
from tests.web.page_check import check, send_form
from tests.web.page_model import parsed
from tests.web.web_world import OTHER, OWNER, WebWorld, web_world
from tests.workflows.flow_world import Flow, make_repository, policy_of, request
from web.principals import Scope

PASSES = ({"name": "tests", "command": "true"},)
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[WebWorld]:
    async with web_world(tmp_path / "core", **policy_of(tmp_path)) as made:
        make_repository(made.core)
        yield made


async def rested(world: WebWorld, run_id: str) -> c.RunInfo:
    return await Flow(world.core).rest(await world.core.do(c.GetRun(run_id=run_id)))


async def test_a_run_is_started_edited_approved_and_merged_without_scripts(world: WebWorld) -> None:
    ann, ben = await world.browser(OWNER), await world.browser(OTHER)
    wish = request(({"title": HOSTILE, "details": "demo:write new.txt new"},), PASSES)
    page = await send_form(ann, "/runs", {"key": "a-key-of-a-form", "request": wish, "project": ""})
    (found,) = (await ann.done("GET", "/api/runs"))["runs"]
    place = f"/runs/{found['id']}"
    await rested(world, found["id"])
    page = await ann.done("GET", place)
    check(parsed(page))
    assert "Approve this plan" in page
    assert "<code>true</code>" in page
    page = await send_form(
        ann, place, {"act": "edit_plan", "text": "# Mine\n\n" + plan_of(wish), "checks": "ok: true"}
    )
    assert "revision 2" in page
    digest = (await ann.done("GET", f"/api/runs/{found['id']}"))["plan_digest"]
    await send_form(ann, place, {"act": "approve", "digest": digest})
    run = await rested(world, found["id"])
    assert (run.status, run.detail) == (c.RunStatus.COMPLETED, "")
    page = await ann.done("GET", place)
    check(parsed(page))
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert "Done (1)" in page
    session = await ann.done("GET", f"/api/sessions/{found['session_id']}")
    assert session["workflowId"] == found["id"]
    page = await send_form(ann, place, {"act": "merge"})
    assert "Merged into main." in page
    assert (await ben.send("GET", place))[0] == 404, "others do not learn of it"
    assert (await ben.done("GET", "/api/runs"))["runs"] == []
    check(parsed(await ann.done("GET", "/runs?text=function")))


async def test_a_token_that_may_not_answer_approves_no_plan(world: WebWorld) -> None:
    prompting = await world.program(OWNER, Scope.OPERATE)
    made = await prompting.done("POST", "/api/runs", {"request": request(({"title": "Add"},), PASSES)})
    one, run = f"/api/runs/{made['id']}", await rested(world, made["id"])
    for method, path, body in (
        ("POST", "plan/approval", {"digest": run.plan_digest}),
        ("PUT", "plan", {"text": "# Mine", "checks": [{"name": "mine", "command": "env"}]}),
        ("POST", "resume", {}),
    ):
        status, answer = await prompting.send(method, f"{one}/{path}", body)
        assert (status, answer["code"]) == (403, "scope_needed"), path
    for act in ({"act": "approve", "digest": run.plan_digest}, {"act": "resume"}):
        place = f"{prompting.address}/runs/{made['id']}"
        async with prompting.http.post(place, data=act) as refused:
            assert refused.status == 403, act
    answering = await world.program(OWNER, Scope.APPROVE)
    await answering.done("POST", f"{one}/plan/approval", {"digest": run.plan_digest})


async def test_older_runs_are_of_the_same_search(world: WebWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.pages.run_pages._LISTED", 1)
    ann = await world.browser(OWNER)
    wish = request(({"title": "Add"},), PASSES)
    titles = ("a&b one", "a", "a&b two")
    made = [await ann.done("POST", "/api/runs", {"request": wish, "title": title}) for title in titles]
    first = await ann.done("GET", "/runs?text=a%26b")
    older = re.search(r'href="([^"]+)">Older runs', first)
    assert older is not None
    second = await ann.done("GET", f"/runs{unescape(older[1])}")
    shown = [[each["id"] in page for page in (first, second)] for each in made]
    assert shown == [[False, True], [False, False], [True, False]]


def plan_of(wish: str) -> str:
    """The part of the request that makes the demo list the tasks."""
    return wish[wish.index("demo:text {\n```json") : wish.index('\n\n```json\n{"checks"')]


async def test_the_api_has_every_act_of_a_run(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    held = {"title": "Held", "details": "demo:gate held"}
    made = await ann.done("POST", "/api/runs", {"request": request((held, {"title": "Last"}), PASSES)})
    one = f"/api/runs/{made['id']}"
    run = await rested(world, made["id"])

    async def act(method: str, path: str, body: Any = None) -> Any:
        return await ann.done(method, f"{one}/{path}", body)

    assert (await ann.send("POST", f"{one}/plan/approval", {"digest": "other"}))[0] == 409
    await act("POST", "plan/approval", {"digest": run.plan_digest})
    await Flow(world.core).until(run, lambda each: bool(each.tasks) and each.tasks[0].status == "running")
    tasks = (await ann.done("GET", one))["tasks"]
    tasks.append({"id": "", "title": "New"})
    assert [each["title"] for each in (await act("PUT", "tasks", {"tasks": tasks}))["tasks"]][-1] == "New"
    assert (await act("POST", f"tasks/{tasks[1]['id']}/skip"))["tasks"][1]["status"] == "skipped"
    for missing in ("skip", "retry"):
        status, answer = await ann.send("POST", f"{one}/tasks/no-such-task/{missing}")
        assert (status, answer["code"]) == (404, "task_not_found")
    assert (await act("POST", "pause", {"takeOver": True}))["pause"] == "taken_over"
    assert (await act("POST", "resume", {}))["status"] == "implementing"
    assert (await act("POST", "cancel"))["status"] == "failed"
    assert "# Add a function" in await act("GET", "report")
    assert (await ann.send("POST", f"{one}/merge"))[0] == 409
    await ann.done("DELETE", one)
    for gone in (one, "/api/runs/%00"):
        status, answer = await ann.send("GET", gone)
        assert (status, answer["code"]) == (404, "run_not_found")
    names = [each["name"] for each in (await ann.done("GET", "/api/run-templates"))["templates"]]
    assert names == ["bug-fix", "feature", "refactoring"]


@pytest.mark.browser
@pytest.mark.timeout(120)
@pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="there is no Chromium")
async def test_the_board_follows_the_run_on_a_phone(world: WebWorld) -> None:
    async with phone() as context:
        page = await logged_in(world, context)
        ann = await world.browser(OWNER)
        held = {"title": "Held", "details": "demo:bash touch asked.txt demo:gate held"}
        made = await ann.done("POST", "/api/runs", {"request": request((held,), PASSES)})
        await rested(world, made["id"])
        await page.goto(f"{world.parts.options.address}/runs/{made['id']}")
        await page.click("text=Approve this plan")
        await page.wait_for_selector("h3:has-text('In work (1)')")
        await page.click(".ask.open button:has-text('Allow once')")
        await page.wait_for_selector(".ask", state="detached")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        (world.core.claude / "gates").mkdir(exist_ok=True)
        (world.core.claude / "gates" / "held").touch()
        await page.wait_for_selector("h3:has-text('Done (1)')")
        await page.wait_for_selector("text=Merge as one commit")
        assert page.troubles == []  # type: ignore[attr-defined]
