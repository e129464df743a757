"""A review: comments of several people on lines of a turn's changes, sent as one prompt, once."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import api as c
from service import reviewing
from sessions.errors import LimitReached
from sessions.model import ShareLevel
from tests.sessions.checkpointed import end_taken
from tests.sessions.own_copies import checkpoints
from tests.web.chromium import CHROMIUM, find_barriers, find_barriers_light_and_dark, logged_in, phone
from tests.web.page_check import check
from tests.web.page_model import parsed
from tests.web.web_world import OTHER, OWNER, Browser, WebWorld, web_world

_HOSTILE = "</textarea><script>alert(1)</script>"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[WebWorld]:
    async with web_world(tmp_path / "core", checkpoints=checkpoints(tmp_path)) as made:
        yield made


async def changed(world: WebWorld, ann: Browser) -> tuple[str, str, Path]:
    """Let a turn change a file; return session, turn and work directory."""
    session = await world.session_of(ann)
    loaded = await world.core.manager.get_session(session)
    root = Path(loaded.snapshot.work_directory)
    (root / "a.py").write_text("one\ntwo\nthree\n")
    await ann.done("POST", f"/api/sessions/{session}/messages", {"content": "demo:bash touch x"})
    ask = await world.asked(session)
    # The scripted CLI changes no files; the turn is open, so this is the turn's change.
    (root / "a.py").write_text("one\nTWO\nthree\n")
    await ann.done("POST", f"/api/sessions/{session}/asks/{ask}/decision", {"decision": {"type": "allow"}})
    turn = str((await world.settled(ann, session))["core"]["last_turn"])
    await end_taken(world.core, loaded, turn)
    return session, turn, root


def comment(turn: str, text: str, line: int = 2, snippet: str = "TWO") -> dict[str, object]:
    return {"turnId": turn, "path": "a.py", "line": line, "text": text, "snippet": snippet, "isRemoved": False}


async def test_comments_of_two_people_become_one_prompt(world: WebWorld) -> None:
    world.names.update({OWNER: "Ann", OTHER: "Bob"})
    ann, bob = await world.browser(OWNER), await world.browser(OTHER)
    session, turn, root = await changed(world, ann)
    one = f"/api/sessions/{session}"
    status, _ = await bob.send("POST", f"{one}/comments", comment(turn, "not mine to see"))
    assert status == 404
    await world.share(session, OTHER, ShareLevel.VIEW)
    status, answer = await bob.send("POST", f"{one}/comments", comment(turn, "only a viewer"))
    assert (status, answer["code"]) == (403, "not_allowed")
    await world.share(session, OTHER, ShareLevel.PROMPT)
    await ann.done("POST", f"{one}/comments", comment(turn, f"Why capitals? {_HOSTILE}"))
    gone = await bob.done("POST", f"{one}/comments", comment(turn, "a mistake", line=1, snippet="one"))
    await bob.done("POST", f"{one}/comments", comment(turn, "And this?", line=3, snippet="three"))
    await bob.done("DELETE", f"{one}/comments/{gone['id']}")
    page = await ann.done("GET", f"/chat/{session}/turns/{turn}/changes")
    check(parsed(page))
    assert "2 comments wait" in page
    assert page.count("Why capitals?") == 2  # below its line, and in the tray
    (root / "a.py").write_text("one\nTWO\n3\n")
    listed = (await ann.done("GET", f"{one}/comments"))["comments"]
    assert [(each["line"], each["author_name"], each["is_stale"]) for each in listed] == [
        (2, "Ann", False),
        (3, "Bob", True),
    ]
    key = {"Idempotency-Key": "the-review"}
    sent = [await ann.send("POST", f"{one}/review", {"note": "Two things:"}, key) for _ in range(2)]
    assert [status for status, _ in sent] == [202, 202]
    assert sent[0][1]["turn_id"] == sent[1][1]["turn_id"]
    assert (await ann.done("GET", f"{one}/comments"))["comments"] == []
    prompts = [each["content"] for each in (await world.settled(ann, session))["conversationHistory"]]
    (prompt,) = [each for each in prompts if each.startswith("Two things:")]
    assert "1. a.py, line 2, from Ann:\n   > TWO\n   Why capitals?" in prompt
    assert "2. a.py, line 3, the file has changed since, from Bob:\n   > three\n   And this?" in prompt
    status, answer = await ann.send("POST", f"{one}/review", {})
    assert (status, answer["code"]) == (422, "prompt_refused")


async def test_a_comment_added_while_a_review_is_sent_waits_for_the_next_one(
    world: WebWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await world.browser(OWNER)
    session, turn, _ = await changed(world, ann)
    one = f"/api/sessions/{session}"
    await ann.done("POST", f"{one}/comments", comment(turn, "In time"))
    looked_up: Any = vars(reviewing)["_waiting"]

    async def overtaken(*arguments: Any) -> tuple[c.ReviewComment, ...]:
        found: tuple[c.ReviewComment, ...] = await looked_up(*arguments)
        await ann.done("POST", f"{one}/comments", comment(turn, "Too late"))
        return found

    with monkeypatch.context() as slow:
        slow.setattr(reviewing, "_waiting", overtaken)
        await ann.done("POST", f"{one}/review", {})
    await world.settled(ann, session)
    assert [each["text"] for each in (await ann.done("GET", f"{one}/comments"))["comments"]] == ["Too late"]


async def test_a_review_that_could_not_be_sent_goes_on_waiting(
    world: WebWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await world.browser(OWNER)
    session, turn, _ = await changed(world, ann)
    one = f"/api/sessions/{session}"
    await ann.done(
        "POST",
        f"{one}/comments",
        comment(turn, "Why?"),
    )
    loaded = await world.core.manager.get_session(session)

    async def refuse(*_: object, **__: object) -> None:
        raise LimitReached("no more today")

    with monkeypatch.context() as broken:
        broken.setattr(type(loaded), "send_message", refuse)
        status, _ = await ann.send("POST", f"{one}/review", {})
    assert status == 429
    assert len((await ann.done("GET", f"{one}/comments"))["comments"]) == 1
    await ann.done("POST", f"{one}/review", {})
    assert (await ann.done("GET", f"{one}/comments"))["comments"] == []


async def test_asking_again_puts_the_files_of_the_last_answer_back_if_wished(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session, turn, root = await changed(world, ann)
    one = f"/api/sessions/{session}"
    looked = await ann.done("POST", f"{one}/turns/{turn}/rewind", {})
    assert (looked["paths"], looked["done"]) == (["a.py", "x"], False)
    assert looked["question"] == "The last answer changed 2 files (+1 −1). Put them back or keep them?"
    assert (root / "a.py").read_text() == "one\nTWO\nthree\n"
    key = {"Idempotency-Key": "again"}
    sent = [await ann.send("POST", f"{one}/regenerate?putBack={turn}", None, key) for _ in range(2)]
    assert [status for status, _ in sent] == [202, 202]
    assert sent[0][1]["turn_id"] == sent[1][1]["turn_id"]
    assert (root / "a.py").read_text() == "one\ntwo\nthree\n"
    status, answer = await ann.send("POST", f"{one}/regenerate?putBack={turn}")
    assert (status, answer["code"]) == (409, "turn_outdated")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="there is no Chromium")
@pytest.mark.timeout(180)
async def test_a_review_on_a_phone(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session, turn, _ = await changed(world, ann)
    async with phone() as context:
        page = await logged_in(world, context)
        await page.goto(f"{world.parts.options.address}/chat/{session}")
        # The last answer changed a file: asking again offers to put it back.
        await page.click("button:has-text('Ask again')")
        await page.wait_for_selector("#again[open] >> text=The last answer changed 2 files (+1 −1).")
        assert not (found := await find_barriers(page)), found
        await page.click("#again-leave")
        await page.click(f"#t-{turn} footer a:has-text('file')")
        await page.click("tr.added[data-line='2'] td:last-child")
        await page.fill("#words", "Why capitals?")
        await page.click("#comment button.first")
        await page.wait_for_selector(".notes .comment .words:has-text('Why capitals?')")
        assert not (found := await find_barriers_light_and_dark(page)), found
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        # A comment of somebody else comes in while this page is open, and takes no words away.
        await world.share(session, OTHER, ShareLevel.PROMPT)
        bob = await world.browser(OTHER)
        await page.click("tr.added[data-line='2'] td:last-child")
        await page.fill("#words", "not sent yet")
        theirs = await bob.done("POST", f"/api/sessions/{session}/comments", comment(turn, "From Bob"))
        await page.wait_for_selector(".notes .comment .words:has-text('From Bob')")
        await page.wait_for_selector(".tray h2:has-text('2 comments wait')")
        assert await page.input_value("#words") == "not sent yet"
        await bob.done("DELETE", f"/api/sessions/{session}/comments/{theirs['id']}")
        await page.wait_for_selector(".notes .comment .words:has-text('From Bob')", state="detached")
        await page.fill("#words", "")
        await page.click("#leave")
        # By keyboard: the number of a line is a button.
        await page.focus("tr.removed[data-line] button")
        await page.keyboard.press("Enter")
        await page.keyboard.type("And what was wrong with this?")
        await page.click("#comment button.first")
        await page.wait_for_selector(".tray h2:has-text('2 comments wait')")
        await page.fill("#note", "From my phone:")
        await page.click(".tray button.first")
        await page.wait_for_selector(".prompt:has-text('From my phone:')")
        prompt = await page.inner_text(".prompt:has-text('From my phone:')")
        assert "1. a.py, line 2:\n   > TWO\n   Why capitals?" in prompt.replace("\n\n", "\n")
        assert "a.py, line 2, removed:\n   > two\n   And what" in prompt
        assert page.troubles == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"text": " "}, 422),
        ({"text": "x" * 4_001}, 422),
        ({"path": "x" * 1_001}, 422),
        ({"line": 0}, 400),
        ({"line": 2**40}, 400),
        ({"turnId": "01890000-0000-7000-8000-000000000001"}, 404),
    ],
)
async def test_a_wrong_comment_is_refused(world: WebWorld, changes: dict[str, object], status: int) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann, "demo:text one")
    turn = (await world.settled(ann, session))["core"]["last_turn"]
    found, _ = await ann.send("POST", f"/api/sessions/{session}/comments", comment(turn, "words") | changes)
    assert found == status
    assert (await world.core.do(c.ListComments(session_id=session))).comments == ()
