"""Every page in a real browser: open to everybody, light at first, and no stored script runs."""

import os
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from api.access import Role
from tests.web.chromium import CHROMIUM, find_barriers_light_and_dark, phone
from tests.web.web_world import OWNER, Browser, WebWorld

if TYPE_CHECKING:
    from playwright.async_api import Page

from tests.web.chromium import logged_in

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None and not os.environ.get("CI"), reason="there is no Chromium: apt install chromium"
    ),
]


@pytest.mark.timeout(180)
async def test_every_page_is_open_to_everybody(world: WebWorld) -> None:
    """Axe finds no barrier on any page, light or dark; 320 px are enough, 640 for double letters."""
    ann = await world.browser(OWNER)
    world.roles[OWNER] = Role.ADMIN
    asking = await world.session_of(ann, "demo:text *words* demo:bash touch x")
    await world.asked(asking)
    planning = await world.session_of(ann, "demo:plan {a plan\n\n1. with [a link](https://example.org)}")
    await world.asked(planning)
    others = await _other_pages(ann, asking)
    async with phone() as context:
        page = await logged_in(world, context)
        for path in ("/", f"/chat/{asking}", f"/chat/{planning}", "/doors", "/admin", "/login", *others):
            await page.set_viewport_size({"width": 390, "height": 844})
            await page.goto(f"{world.parts.options.address}{path}")
            await page.wait_for_load_state()
            assert not (found := await find_barriers_light_and_dark(page)), f"{path}: {found}"
            await page.set_viewport_size({"width": 320, "height": 600})
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            height = await page.evaluate("document.querySelector('header.top')?.offsetHeight ?? 0")
            assert height < 60, f"{path}: the header has a second line"
            if path == "/":
                assert await page.evaluate(_LINKS_OF_ASKS_STAY_SMALL)
            await page.set_viewport_size({"width": 640, "height": 600})
            await page.evaluate("document.documentElement.style.fontSize = '200%'")
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


# The link of a row covers it all; a link in what Claude asks must not.
_LINKS_OF_ASKS_STAY_SMALL = """() => {
  const links = [...document.querySelectorAll("#sessions .asked li a")];
  return links.length && links.every((each) => getComputedStyle(each, "::after").content === "none");
}"""


async def _other_pages(ann: Browser, session: str) -> list[str]:
    """Fill the pages beside the conversation of a session that waits for an answer; return their paths."""
    turn = (await ann.done("GET", f"/api/sessions/{session}/turns"))["turns"][0]["turn"]["id"]
    wish = {"name": "Say it", "text": "demo:text {what}", "mode": "plan", "model": "opus"}
    template = (await ann.done("POST", "/api/prompt-templates", wish))["id"]
    draft = (await ann.done("POST", f"/api/sessions/{session}/pages", {}))["id"]
    shared = await ann.done("POST", f"/api/sessions/{session}/pages/{draft}/publish", {})
    return [
        "/?text=words",
        f"/chat/{session}?at=1&find=words",
        f"/chat/{session}/share",
        f"/chat/{session}/turns/{turn}/timing",
        f"/shared/{shared['token']}",
        "/templates",
        f"/templates/{template}",
        "/cleanup?verb=delete&days=0",
        "/runs",
    ]


@pytest.mark.timeout(180)
async def test_the_keyboard_alone_leads_from_the_list_to_an_answer(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann, "demo:bash touch x")
    await world.asked(session)
    async with phone() as context:
        page = await logged_in(world, context)
        await page.wait_for_selector(f"a[href$='/chat/{session}']")
        await _tab_to(page, f"a[href$='/chat/{session}']")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#composer")
        await _tab_to(page, ".ask.open button.first")
        await page.keyboard.press("Enter")
        await page.wait_for_selector(".ask.closed")
        await _tab_to(page, "#prompt")
        await page.keyboard.type("demo:text by keyboard")
        await _tab_to(page, "#composer button")
        await page.keyboard.press("Enter")
        await page.wait_for_selector(".block >> text=by keyboard")


async def _tab_to(page: "Page", wanted: str) -> None:
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await page.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
            return
    pytest.fail(f"the keyboard does not reach {wanted}")


@pytest.mark.timeout(180)
async def test_the_first_visit_is_light(world: WebWorld) -> None:
    async with phone() as context:
        page = await logged_in(world, context)
        sizes = await page.evaluate(
            "performance.getEntries().filter(e => e.encodedBodySize).map(e => [e.name, e.encodedBodySize])"
        )
        assert sum(size for _, size in sizes) <= 60_000, sizes


@pytest.mark.timeout(180)
async def test_hostile_html_runs_nowhere(world: WebWorld) -> None:
    """Even if a piece of HTML got past the server, the page's policy stops its scripts."""
    async with phone() as context:
        page = await logged_in(world, context)
        done = await page.evaluate(
            """() => {
              try { document.body.innerHTML = "<img src=x onerror='window.hit = 1'>"; return "taken"; }
              catch (error) { return error.name; }
            }"""
        )
        assert done == "TypeError"
        assert await page.evaluate("window.hit === undefined")


async def test_a_login_leads_to_a_page_of_ours_and_nowhere_else(world: WebWorld) -> None:
    """The page to go on to stands in the link's address, which anybody may have written."""
    home = f"{world.parts.options.address}/"
    places = {
        "/runs": f"{home}runs",
        "//evil.example/": home,
        "/\\evil.example/": home,
        "/\t/evil.example/": home,
        "javascript:location.hash='x'": home,
    }
    async with phone() as context:
        page = await context.new_page()
        await page.route("**/*evil.example*/**", lambda route: route.abort())
        for written, reached in places.items():
            code = await world.parts.doors.make_code(OWNER)
            await page.goto(f"{home}login?next={quote(written, safe='')}#{code}")
            await page.click("#confirm:not([hidden])")
            await page.wait_for_url(lambda address: "/login" not in address)
            assert page.url == reached, written
