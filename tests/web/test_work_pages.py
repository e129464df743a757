"""Checkpoints, restores, branches and merges over the API and on the pages."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sessions.model import ShareLevel
from tests.sessions.own_copies import checkpoints, git
from tests.web.chromium import CHROMIUM, find_barriers_light_and_dark, logged_in, phone
from tests.web.page_check import check
from tests.web.page_model import parsed
from tests.web.web_world import OTHER, OWNER, Browser, WebWorld, web_world

_HOSTILE = '"><script>alert(1)</script>.txt'


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[WebWorld]:
    async with web_world(tmp_path / "core", checkpoints=checkpoints(tmp_path)) as made:
        yield made


def repository(world: WebWorld) -> Path:
    root = world.core.directory / "workspaces" / "default"
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "-q")
    (root / "a").write_text("1\n2\n3\n")
    (root / ".gitignore").write_text(".attachments\n")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "base")
    return root


async def talked(world: WebWorld, ann: Browser) -> str:
    session = await world.session_of(ann, "demo:text one")
    await world.settled(ann, session)
    return session


async def page(browser: Browser, path: str) -> str:
    """Load a page; it has only tags and attributes of ours."""
    html: str = await browser.done("GET", path)
    check(parsed(html))
    return html


async def test_files_are_put_back_and_the_restore_is_undone(world: WebWorld) -> None:
    root, ann = repository(world), await world.browser(OWNER)
    session = await talked(world, ann)
    one, chat = f"/api/sessions/{session}", f"/chat/{session}"
    taken = await ann.done("POST", f"{one}/checkpoints", {"label": "before <b>"})
    (root / "a").write_text("1\n2\nthree\n")
    (root / _HOSTILE.replace("/", "_")).write_text("new")
    compared = await ann.done("GET", f"{one}/checkpoints/{taken['id']}/comparison?diff=1")
    assert compared["total"] == 2
    assert "+three" in compared["diff"]
    timeline = await page(ann, f"{chat}/checkpoints")
    assert "before &lt;b&gt;" in timeline
    assert "demo:text one" in timeline
    shown = await page(ann, f"{chat}/checkpoints/{taken['id']}")
    assert "2 files differ" in shown
    assert '<td class="no">3</td><td class="sign">+</td><td>three</td>' in shown
    preview = await ann.done("GET", f"{one}/checkpoints/{taken['id']}/restore?scope=everything")
    assert "Would change" in await page(ann, f"{chat}/checkpoints/{taken['id']}/restore?scope=everything")
    wish = {"checkpointId": taken["id"], "scope": preview["scope"], "digest": preview["digest"]}
    (root / "a").write_text("4\n")
    status, answer = await ann.send("POST", f"{one}/restores", wish)
    assert (status, answer["code"]) == (409, "preview_outdated")
    wish["digest"] = (await ann.done("GET", f"{one}/checkpoints/{taken['id']}/restore?scope=everything"))[
        "digest"
    ]
    assert (await ann.done("POST", f"{one}/restores", wish))["restored"] == 2
    assert (root / "a").read_text() == "1\n2\n3\n"
    assert 'data-path="restores/undo"' in await page(ann, f"{chat}/checkpoints")
    await ann.done("POST", f"{one}/restores/undo")
    assert (root / "a").read_text() == "4\n"


async def test_a_branch_is_compared_picked_merged_and_undone(world: WebWorld) -> None:
    root, ann = repository(world), await world.browser(OWNER)
    parent = await talked(world, ann)
    branch = (await ann.done("POST", f"/api/sessions/{parent}/branch", {"title": "<i>another</i> way"}))["id"]
    shared = await ann.done("POST", f"/api/sessions/{parent}/branch", {"ownCopy": False})
    assert not shared["core"]["has_own_copy"]
    copy = Path((await world.core.manager.get_session(branch)).snapshot.work_directory)
    (copy / "a").write_text("1\nTWO\n3\n")
    one = f"/api/sessions/{branch}"
    listed = await page(ann, f"/chat/{parent}/branches")
    assert "&lt;i&gt;another&lt;/i&gt; way" in listed
    assert "~ a +1 −1" in listed
    assert f"/chat/{branch}/merge" in listed
    assert [each["path"] for each in (await ann.done("GET", f"{one}/branch"))["files"]] == ["a"]
    preview = await ann.done("GET", f"{one}/merge?strategy=squash")
    shown = await page(ann, f"/chat/{branch}/merge")
    assert "Report to the session" in shown
    await ann.done("POST", f"{one}/messages", {"content": "demo:text It works."})
    await world.settled(ann, branch)
    asked = "SELECT count(*) FROM ai_requests"
    assert "It works." in await page(ann, f"/chat/{branch}/merge")
    assert await world.core.db.read(asked) == [(0,)], "looking at the page costs nothing"
    for _ in range(2):
        assert "Claude wrote its decisions" in await page(ann, f"/chat/{branch}/merge?report=1")
    assert await world.core.db.read(asked) == [(1,)], "a reload asks nobody again"
    assert preview["digest"] in shown
    assert "Undo the last merge" not in shown
    bob = await world.browser(OTHER)
    await world.share(branch, OTHER, ShareLevel.VIEW)
    assert preview["digest"] not in await page(bob, f"/chat/{branch}/merge")
    assert f">{preview['message']}</textarea>" in shown.replace("&lt;", "<").replace("&gt;", ">")
    wish = {"strategy": "squash", "digest": preview["digest"], "message": "by hand"}
    assert (await ann.done("POST", f"{one}/merges", wish))["files"] == 1
    assert (root / "a").read_text() == "1\nTWO\n3\n"
    assert git(root, "log", "-1", "--format=%s").strip() == "by hand"
    assert "Undo the last merge" in await page(ann, f"/chat/{branch}/merge")
    await ann.done("POST", f"{one}/merges/undo")
    assert "Undo the last merge" not in await page(ann, f"/chat/{branch}/merge")
    assert (root / "a").read_text() == "1\n2\n3\n"
    (root / "a").write_text("1\nzwei\n3\n")
    git(root, "commit", "-qam", "the other side")
    status, answer = await ann.send("POST", f"{one}/merges", wish)
    assert (status, answer["code"]) == (409, "merge_outdated")
    assert "Ask Claude to resolve" in await page(ann, f"/chat/{branch}/merge")
    assert (await ann.done("POST", f"{one}/merges/resolve", {}))["turn_id"]
    status, answer = await ann.send("DELETE", f"{one}/branch")
    assert (status, answer["code"]) == (409, "branch_unmerged")
    await ann.done("DELETE", f"{one}/branch?unmerged=1")
    assert not copy.exists()


async def test_a_session_that_is_no_branch_says_so(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session = await talked(world, ann)
    assert "No branch of this session" in await page(ann, f"/chat/{session}/branches")
    assert 'class="warn"' in await page(ann, f"/chat/{session}/merge")


async def test_an_old_checkpoint_has_its_heading_and_is_compared_with_later_ones(
    world: WebWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.checkpointing.MOST_LISTED", 1)
    ann = await world.browser(OWNER)
    session = await talked(world, ann)
    taken = [
        await ann.done("POST", f"/api/sessions/{session}/checkpoints", {"label": label})
        for label in ("first", "second", "third")
    ]
    shown = await page(ann, f"/chat/{session}/checkpoints/{taken[1]['id']}")
    assert "<b>second</b>" in shown
    assert f'value="{taken[2]["id"]}"' in shown
    assert taken[0]["id"] not in shown


async def test_anothers_checkpoint_is_not_shown(world: WebWorld) -> None:
    ann, bob = await world.browser(OWNER), await world.browser(OTHER)
    mine, theirs = await talked(world, ann), await talked(world, bob)
    taken: Any = await ann.done("POST", f"/api/sessions/{mine}/checkpoints", {})
    for path in ("comparison", "restore"):
        status, _ = await bob.send("GET", f"/api/sessions/{theirs}/checkpoints/{taken['id']}/{path}")
        assert status == 404
        status, _ = await bob.send("GET", f"/api/sessions/{mine}/checkpoints/{taken['id']}/{path}")
        assert status == 404


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="there is no Chromium")
@pytest.mark.timeout(180)
async def test_a_restore_and_a_merge_on_a_phone(world: WebWorld) -> None:
    """Files are put back, a branch is picked and merged, both are undone; each page is open to all."""
    root, ann = repository(world), await world.browser(OWNER)
    session = await talked(world, ann)
    await ann.done("POST", f"/api/sessions/{session}/checkpoints", {"label": "before it"})
    async with phone() as context:
        page = await logged_in(world, context)

        async def looked_at() -> None:
            assert not (found := await find_barriers_light_and_dark(page)), found
            for width in (320, 195, 390):  # 195 px are 390 at 200 %
                await page.set_viewport_size({"width": width, "height": 700})
                assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url

        await page.goto(f"{world.parts.options.address}/chat/{session}")
        await page.click(".tabs a:has-text('Checkpoints')")
        (root / "a").write_text("1\n2\nthree\n")
        await looked_at()
        await page.click(".timeline a:has-text('before it')")
        await page.wait_for_selector("tr.added >> text=three")
        await looked_at()
        await page.click("a:has-text('Put the files back')")
        await page.wait_for_selector("button.danger")
        await page.goto(f"{page.url.partition('?')[0]}?scope=everything")
        await looked_at()
        await page.click("button.danger:has-text('Restore')")
        await page.wait_for_selector(".timeline .before_restore")
        assert (root / "a").read_text() == "1\n2\n3\n"
        async with page.expect_navigation():  # the page loads itself anew once it is done
            await page.click("button:has-text('Undo this restore')")
        assert (root / "a").read_text() == "1\n2\nthree\n"
        git(root, "checkout", "-q", "a")
        await page.click(".tabs a:has-text('Branches')")
        await page.fill("[name=title]", "another way")
        await page.click("button:has-text('Branch from the last answer')")
        await page.wait_for_selector("#composer")
        branch = page.url.rpartition("/")[2]
        copy = Path((await world.core.manager.get_session(branch)).snapshot.work_directory)
        (copy / "a").write_text("1\nTWO\n3\n")
        await page.goto(f"{world.parts.options.address}/chat/{session}/branches")
        await looked_at()
        await page.click("a:has-text('Pick this one')")
        await looked_at()
        await page.click("button:has-text('Merge')")
        await page.wait_for_selector("text=There is nothing to merge.")
        assert (root / "a").read_text() == "1\nTWO\n3\n"
        await page.click("button:has-text('Undo the last merge')")
        await page.wait_for_selector("button.first:has-text('Merge')")
        assert (root / "a").read_text() == "1\n2\n3\n"
        assert page.troubles == []  # type: ignore[attr-defined]
