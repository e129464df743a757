"""The web face in a real browser, used as on a phone: log in, prompt, answer, read on after a break.

Runs Debian's Chromium. Where it is not installed, the tests are skipped with a sentence, and fail in the gate
(CI=true).
"""

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import api as c
from api.access import Actor, Role
from tests.web.chromium import CHROMIUM, logged_in, phone
from tests.web.web_world import OWNER, Browser, WebWorld, web_world
from web.parts import WebOptions

if TYPE_CHECKING:
    from playwright.async_api import Page, WebSocketRoute

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None and not os.environ.get("CI"), reason="there is no Chromium: apt install chromium"
    ),
]

_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
async def world_below_a_path(tmp_path: Path) -> AsyncIterator[WebWorld]:
    async with web_world(tmp_path / "core", WebOptions(0, base_path="/x/y")) as made:
        yield made


@pytest.mark.timeout(180)
async def test_a_person_on_a_phone(world_below_a_path: WebWorld) -> None:
    world = world_below_a_path  # the walk that meets most scripts: each address of theirs has to have the path
    async with phone() as context:
        page = await logged_in(world, context)
        assert "#" not in page.url
        await page.fill("#prompt", "demo:text **bold** demo:block demo:bash touch phone.txt demo:text all done")
        await page.click("#new button.first")
        await page.click(".ask.open button:has-text('Allow once')")
        await page.wait_for_selector("text=all done")
        outcome = await page.inner_text(".ask.closed .outcome")
        assert outcome.startswith(f"Allowed once by {OWNER} in the browser. ")
        assert await page.locator(".block strong").first.inner_text() == "bold"
        await page.wait_for_selector("#status.ready, #status.asleep")
        # Nothing is wider than the phone, and every button can be hit.
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        heights = await page.eval_on_selector_all(
            "button", "all => all.map(b => b.getBoundingClientRect().height)"
        )
        assert all(height >= 44 for height in heights if height)
        # The connection breaks; what is said meanwhile is there afterwards, once.
        await context.set_offline(True)
        session = page.url.rpartition("/")[2]
        ann = await world.browser(OWNER)
        await ann.done("POST", f"/api/sessions/{session}/messages", {"content": "demo:text said meanwhile"})
        await world.settled(ann, session)
        await context.set_offline(False)
        await page.wait_for_selector(".block >> text=said meanwhile")
        assert await page.locator(".block >> text=said meanwhile").count() == 1
        shown = await page.inner_text("#turns")
        await page.reload()
        await page.wait_for_selector(".block >> text=said meanwhile")
        assert await page.inner_text("#turns") == shown
        ours = [each for each in page.troubles if "ERR_INTERNET_DISCONNECTED" not in each]  # type: ignore[attr-defined]
        assert ours == []


@pytest.mark.timeout(180)
async def test_files_go_along_and_settings_change(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann, "demo:big 1")
    await world.settled(ann, session)
    async with phone() as context:
        page = await logged_in(world, context)
        await page.goto(f"{world.parts.options.address}/chat/{session}")
        # A session opens at its end, however long the last answer is.
        assert await page.evaluate(_AT_END)
        # Other words after a refusal are another act, with a key of its own.
        await page.fill("#prompt", "  ")
        await page.click("#composer button.first")
        await page.wait_for_selector("#toast:has-text('empty')")
        file = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"some notes"}
        await page.set_input_files("#attach", [file, {**file, "buffer": b"more"}])  # type: ignore[arg-type]
        assert await page.inner_text("#files") == "notes.txt\n×\n1-notes.txt\n×"
        await page.click("#files li:nth-child(2) button")
        await page.fill("#prompt", "demo:text I read them")
        await page.click("#composer button.first")
        await page.wait_for_selector(".file:has-text('notes.txt')")
        await page.wait_for_selector(".block >> text=I read them")
        assert await page.inner_text("#files") == ""
        await page.click(".more summary")
        await page.fill("[data-changes=title] input", "A new title")
        await page.click("[data-changes=title] button")
        await page.wait_for_selector("h1:has-text('A new title')")
        await page.select_option("[name=mode]", "plan")
        await page.click("[data-changes=mode] button")
        await page.wait_for_selector("#toast:has-text('Changed.')")
    assert (await ann.done("GET", f"/api/sessions/{session}"))["core"]["mode"] == "plan"


@pytest.mark.timeout(180)
async def test_a_socket_that_died_in_silence_is_replaced_and_tabs_share_the_server(world: WebWorld) -> None:
    """As on a phone that slept: the socket looks open and says nothing. Then seven tabs, and a keyboard."""
    ann = await world.browser(OWNER)
    session = await world.session_of(ann, "demo:text hello")
    await world.settled(ann, session)
    made, is_dead = 0, True

    async def dead_at_first(socket: "WebSocketRoute") -> None:
        nonlocal made
        made += 1
        server = socket.connect_to_server()
        if is_dead:
            greeted = False

            def once(message: str | bytes) -> None:
                nonlocal greeted
                if not greeted:
                    socket.send(message)
                greeted = True

            server.on_message(once)

    async with phone() as context:
        page = await logged_in(world, context)
        await page.route_web_socket("**/api/live", dead_at_first)
        await page.goto(f"{world.parts.options.address}/chat/{session}")
        await page.wait_for_function("() => document.querySelector('#broken')?.textContent === ''")
        await ann.done("POST", f"/api/sessions/{session}/messages", {"content": "demo:text not lost"})
        await world.settled(ann, session)
        assert await page.locator(".block >> text=not lost").count() == 0
        # A slow page has had its own `pageshow` only now, and has replaced the first socket already.
        before, is_dead = made, False
        await page.evaluate("dispatchEvent(new Event('pageshow'))")
        await page.wait_for_selector(".block >> text=not lost", timeout=20_000)
        assert made > before
        tabs = [await context.new_page() for _ in range(6)]
        for tab in tabs:
            await tab.goto(f"{world.parts.options.address}/chat/{session}")
        await ann.done("PATCH", f"/api/sessions/{session}", {"title": "For all tabs"})
        for tab in (page, *tabs):
            await tab.wait_for_selector("h1:has-text('For all tabs')")
            if tab is not page:
                await tab.close()
        await _keyboard_leaves_the_field_in_view(page)
        await _page_does_not_grow(page, ann, session)


async def _keyboard_leaves_the_field_in_view(page: "Page") -> None:
    # The keyboard of the phone takes half of it; what one writes and the button stay in view.
    await page.set_viewport_size({"width": 390, "height": 420})
    await page.focus("#prompt")
    for part in ("#prompt", "#composer button.first"):
        box = await page.locator(part).bounding_box()
        assert box is not None
        assert 0 <= box["y"] <= 420 - box["height"]


async def _page_does_not_grow(page: "Page", ann: Browser, session: str) -> None:
    # A page that is open for days does not grow for ever.
    await page.evaluate(
        """() => {
          const turns = document.getElementById("turns");
          for (let n = 0; n < 70; n += 1) {
            const turn = turns.firstElementChild.cloneNode(true);
            Object.assign(turn, { id: `t-clone${n}` });
            turn.dataset.group = `clone${n}`;
            turns.prepend(turn);
          }
        }"""
    )
    await ann.done("POST", f"/api/sessions/{session}/messages", {"content": "demo:text the newest"})
    await page.wait_for_selector(".block >> text=the newest")
    assert await page.locator("#turns > .turn").count() <= 31
    assert "?before=" in str(await page.get_attribute(".older a", "href"))


@pytest.mark.timeout(180)
async def test_a_session_begins_with_a_photo_a_model_and_a_mode(world: WebWorld) -> None:
    async with phone() as context:
        page = await logged_in(world, context)
        photo = {"name": "photo.png", "mimeType": "image/png", "buffer": _PNG}
        await page.set_input_files("#attach", [photo])  # type: ignore[arg-type]
        await page.fill("#prompt", "demo:text a fine photo")
        await page.click("#new .more summary")
        await page.fill("[name=model]", "haiku")
        await page.select_option("[name=mode]", "plan")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.click("#new button.first")
        await page.wait_for_selector(".block >> text=a fine photo")
        assert await page.inner_text(".turn .file") == "📎 photo.png"
        session = page.url.rpartition("/")[2]
        assert page.troubles == []  # type: ignore[attr-defined]
    core = (await (await world.browser(OWNER)).done("GET", f"/api/sessions/{session}"))["core"]
    assert (core["model"], core["mode"], core["message_count"]) == ("haiku", "plan", 1)


@pytest.mark.timeout(180)
async def test_waiting_prompts_are_edited_ordered_and_withdrawn(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann, "demo:bash touch x")
    await world.asked(session)
    for text in ("demo:text first", "demo:text second", "demo:text third"):
        await ann.done("POST", f"/api/sessions/{session}/messages", {"content": text})
    async with phone() as context:
        page = await logged_in(world, context)
        await page.goto(f"{world.parts.options.address}/chat/{session}")
        waiting = page.locator("header.queued")
        await page.wait_for_selector("header.queued >> text=3 in line")
        await waiting.nth(2).get_by_role("button", name="Next", exact=True).click()
        await page.wait_for_selector("article:nth-last-child(3) >> text=third")
        assert await waiting.locator(".in-line").all_inner_texts() == [
            " · next",
            " · 2 in line",
            " · 3 in line",
        ]
        await waiting.nth(1).get_by_text("Edit").click()
        await waiting.nth(1).locator("textarea").fill("demo:text first, but better")
        # Somebody else sends a prompt: the words that are being written stay.
        await ann.done("POST", f"/api/sessions/{session}/messages", {"content": "demo:text fourth"})
        await page.wait_for_selector("header.queued >> text=4 in line")
        assert await waiting.nth(1).locator("textarea").input_value() == "demo:text first, but better"
        await waiting.nth(1).get_by_role("button", name="Save").click()
        await page.wait_for_selector(".prompt >> text=first, but better")
        await waiting.nth(2).get_by_role("button", name="Withdraw").click()
        await page.wait_for_selector("header.withdrawn >> text=second")
        assert await waiting.count() == 3
        await page.click(".ask.open button.first")
        await page.wait_for_selector(".block >> text=fourth")
        await world.settled(ann, session)
        said = await page.locator(".turn:not(:first-child) .block").all_inner_texts()
        assert [words.removeprefix("DEMO: ") for words in said] == ["third", "first, but better", "fourth"]
        await page.reload()
        assert await page.locator(".turn:not(:first-child) .block").all_inner_texts() == said
        assert page.troubles == []  # type: ignore[attr-defined]


@pytest.mark.timeout(180)
async def test_the_answer_in_view_is_the_one_that_the_next_prompt_follows(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann, "demo:text an answer")
    await world.settled(ann, session)
    async with phone() as context:
        page, other = await logged_in(world, context), await context.new_page()
        for each in (page, other):
            await each.goto(f"{world.parts.options.address}/chat/{session}")
        first = await page.get_attribute("#turns > .turn", "id")
        await page.get_by_role("button", name="Ask again").click()
        await page.wait_for_selector(".pager >> text=2/2")
        await page.wait_for_selector("#status.ready")
        assert await page.locator("#turns > .turn:visible").count() == 1
        await page.click(".turn:visible button[aria-label='The answer before']")
        await page.wait_for_selector(f"#{first}:visible .pager >> text=1/2")
        # The other tab follows; so does the core.
        await other.wait_for_selector(f"#{first}:visible")
        assert f"t-{(await ann.done('GET', f'/api/sessions/{session}'))['core']['goes_on_from']}" == first
        await page.reload()
        await page.wait_for_selector(f"#{first}:visible .pager >> text=1/2")
        await page.fill("#prompt", "demo:text on from here")
        await page.click("#composer button.first")
        await page.wait_for_selector(".block >> text=on from here")
        assert page.troubles == []  # type: ignore[attr-defined]


@pytest.mark.timeout(180)
async def test_an_answer_given_elsewhere_closes_the_card_within_a_second(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann, "demo:bash touch x")
    ask = await world.asked(session)
    async with phone() as context:
        page = await logged_in(world, context)
        await page.click(f"a[href$='/chat/{session}']")
        await page.wait_for_selector("#composer")
        body = {"decision": {"type": "deny", "note": "not now"}}
        begun = asyncio.get_running_loop().time()
        await ann.done("POST", f"/api/sessions/{session}/asks/{ask}/decision", body)
        await page.wait_for_selector(".ask.closed")
        assert asyncio.get_running_loop().time() - begun < 5  # a second on a quiet machine
        assert "Denied by" in await page.inner_text(".ask.closed .outcome")


@pytest.mark.timeout(180)
async def test_asks_are_answered_in_the_list_and_typed_words_outlast_its_changes(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    asking = await world.session_of(ann, "demo:bash touch x")
    ask = await world.asked(asking)
    choosing = await world.session_of(ann, "demo:ask-question Which colour?")
    await world.asked(choosing)
    async with phone() as context:
        page = await logged_in(world, context)
        await page.type(f"#s-{asking} .own input", "use the")
        await page.click(f"#s-{asking} summary")
        # A row that appears before it changes neither what is open nor what is typed, here or in its own ask.
        also = await world.session_of(ann, "demo:bash touch y")
        await world.asked(also)
        await page.wait_for_selector(f"#s-{also} .asked + *, #s-{also} .own input")
        assert await page.locator("#sessions .asked details[open]").count() == 1
        assert await page.locator(f"#s-{asking} details[open]").count() == 1
        assert await page.input_value(f"#s-{also} .own input") == ""
        await page.focus(f"#s-{asking} .own input")
        await page.keyboard.press("End")
        later = await world.session_of(ann, "demo:text meanwhile")
        await page.wait_for_selector(f"#s-{later}")
        await page.type(f"#s-{asking} .own input", " other tool")
        await page.click(f"#s-{asking} button:has-text('Deny with these words')")
        await page.wait_for_selector(f"#s-{asking} .asked", state="detached")
        stored = await ann.done("GET", f"/api/sessions/{asking}/asks/{ask}")
        assert stored["decision"] == {"type": "deny", "note": "use the other tool"}
        await page.wait_for_selector(f"#s-{also} .asked")
        await page.check(f"#s-{choosing} input[value=Right]")
        await page.click(f"#s-{choosing} button:has-text('Answer')")
        await page.wait_for_selector(f"#s-{choosing} .asked", state="detached")
        assert page.troubles == []  # type: ignore[attr-defined]


_AT_END = """() => new Promise((done) => {
  let left = 60;
  const look = () => {
    const is = innerHeight + scrollY >= document.body.scrollHeight - 2;
    if (is || !left--) done(is); else requestAnimationFrame(look);
  };
  look();
})"""
_RECORDS = """
window.told = []; window.away = false;
Object.defineProperty(document, "hidden", { get: () => window.away });
window.Notification = class { static permission = "granted"; static requestPermission = async () => "granted";
  constructor(title, { body, tag }) { window.told.push([title, body, tag]); } };
"""


@pytest.mark.timeout(180)
async def test_a_page_in_the_background_tells_of_an_ask_that_discord_does_not_ping(
    world: WebWorld,
) -> None:
    ann = await world.browser(OWNER)
    async with phone() as context:
        await context.add_init_script(_RECORDS)  # a browser without a screen shows no notifications
        page = await logged_in(world, context)

        async def asked(prompt: str, channel_id: str = "web") -> str:
            info = await world.core.do(c.CreateSession(channel_id=channel_id), Actor(OWNER, "web", Role.USER))
            await ann.done("POST", f"/api/sessions/{info.id}/messages", {"content": prompt})
            ask = await world.asked(info.id)
            await page.wait_for_selector(f"#a-{ask}")
            return ask

        async def told() -> list[list[str]]:
            found: list[list[str]] = await page.evaluate("window.told")
            return found

        await page.click("#notify")
        await asked("demo:bash touch one")
        assert await told() == [], "somebody looks at it"
        await page.evaluate("window.away = true")
        await asked("demo:bash touch two", channel_id="discord:8")
        ask = await asked("demo:bash touch three")
        (one,) = await told()
        assert one == ["demo:bash touch three", "May Claude use Bash?", f"a-{ask}"]
        assert page.troubles == []  # type: ignore[attr-defined]
