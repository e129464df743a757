"""Pages are readable without scripts."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import pytest

import api as c
from api.access import Actor
from sessions.events import Noticed
from sessions.model import Ask, AskId, AskStatus, FieldChoice, FieldKind, FormBody, FormField, SessionId
from sessions.stored import StoredAsk
from sessions.topics import Topic
from storage import Statement
from tests.growing_cost import LINEAR, cost_of_twice
from tests.web.page_check import check, every_element, send_form
from tests.web.page_model import parsed
from tests.web.web_world import ADMIN, OTHER, OWNER, WebWorld, web_world
from texts.pieces import pieces_of
from web.pages import asks
from web.pages.fragments import Reader
from web.pages.session_page import PagePlace, session_page
from web.parts import WebOptions, WebParts
from web.people import People


async def test_a_page_is_previewed_published_opened_and_taken_back_without_scripts(world: WebWorld) -> None:
    ann, ben, reader = await world.browser(OWNER), await world.browser(OTHER), await world.stranger()
    session = await world.session_of(ann, "demo:text the **answer** of sk-ant-api03-abcdefghijklmnop")
    await world.settled(ann, session)
    place = f"/chat/{session}/share"
    page = await ann.done("GET", place)
    check(parsed(page))
    preview = await send_form(ann, place, {"tools": "on", "take_out": "answer", "until": "1"})
    check(parsed(preview))
    assert "Taken out: 3 secrets, 3 words." in preview
    hidden_fields = (
        each.attrs for each in every_element(parsed(preview)) if each.attrs.get("type") == "hidden"
    )
    fields = {each["name"] or "": each["value"] or "" for each in hidden_fields}
    published = await send_form(ann, f"{place}/publish", {**fields, "days": "7"})
    check(parsed(published))
    links = (each.attrs.get("href") or "" for each in every_element(parsed(published)))
    (address,) = (link for link in links if "/shared/" in link)
    async with reader.http.get(address) as answer:
        text, headers = await answer.text(), answer.headers
    assert answer.status == 200
    check(parsed(text))
    for hidden in ("<script", "<form", "<a ", "sk-ant", "answer", session, OWNER, 'href="/chat'):
        assert hidden not in text.replace("fallback", ""), hidden
    assert "[redacted]" in text
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "noindex" in headers["X-Robots-Tag"]
    assert headers["Cache-Control"] == "no-store"
    assert "script-src" not in headers["Content-Security-Policy"]
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "opened once" in await ann.done("GET", place)
    assert (await ben.send("GET", place))[0] == 404
    (listed,) = (await ann.done("GET", f"/api/sessions/{session}/pages"))["pages"]
    await ann.done("DELETE", f"/api/sessions/{session}/pages/{listed['id']}")
    async with reader.http.get(address) as answer:
        assert answer.status == 404
        check(parsed(await answer.text()))


async def test_a_template_is_saved_filled_and_begins_a_session_without_scripts(world: WebWorld) -> None:
    ann, ben = await world.browser(ADMIN), await world.browser(OTHER)
    key = {"key": "a-key-of-a-form"}
    text = "demo:text <b>{what}</b> and {the rest}"
    page = await send_form(ann, "/templates", {**key, "name": "<i>Try</i>", "text": text, "for_all": "on"})
    check(parsed(page))
    (template,) = (await ann.done("GET", "/api/prompt-templates"))["templates"]
    place = f"/templates/{template['id']}"
    form = await ben.done("GET", place)
    check(parsed(form))
    asked = await send_form(ben, place, {**key, "place0": "one"})
    assert "Fill in “the rest”." in asked
    begun = await send_form(ben, place, {**key, "place0": "one", "place1": "{what}"})
    assert "&lt;b&gt;one&lt;/b&gt; and {what}" in begun
    (session,) = (await ben.done("GET", "/api/sessions"))["sessions"]
    await world.settled(ben, session["id"])
    await send_form(
        ben, place, {"key": "another-key", "session": session["id"], "place0": "two", "place1": "x"}
    )
    view = await world.settled(ben, session["id"])
    assert len(view["userInputs"]) == 2
    check(parsed(await ann.done("GET", f"/templates?edit={template['id']}")))


async def test_a_clean_up_is_shown_before_it_is_done_without_scripts(world: WebWorld) -> None:
    ann, ben = await world.browser(OWNER), await world.browser(OTHER)
    session = await world.session_of(ann, "demo:text <b>old</b>")
    await world.settled(ann, session)
    await ann.done("DELETE", f"/api/sessions/{session}")
    page = await ann.done("GET", "/cleanup?verb=delete&days=0&mb=x")
    assert session not in page, "what is no number is the usual number"
    page = await ann.done("GET", "/cleanup?verb=delete&days=0")
    check(parsed(page))
    fields = {
        each.attrs["name"] or "": each.attrs["value"] or ""
        for each in every_element(parsed(page))
        if each.attrs.get("type") == "hidden"
    }
    assert fields["ids"] == session
    assert "There is no such session" in await ben.done("GET", "/cleanup?verb=delete&days=0")
    assert (await ben.send("GET", "/cleanup?verb=delete&all=on"))[0] == 403
    assert "0 sessions deleted" in await send_form(ben, "/cleanup", fields)
    assert "1 session deleted" in await send_form(ann, "/cleanup", fields)
    assert (await ann.send("GET", f"/api/sessions/{session}"))[0] == 404


async def test_a_rule_is_kept_for_each_day_changed_and_removed_without_scripts(world: WebWorld) -> None:
    ann, ben, root = [await world.browser(each) for each in (OWNER, OTHER, ADMIN)]
    fields = {"key": "a-key-of-the-page", "verb": "delete", "days": "30", "mb": "0", "project": "<b>site</b>"}
    page = await send_form(ann, "/cleanup/rules", fields)
    check(parsed(page))
    assert "Delete ended sessions for good, not used for 30 days, of project &lt;b&gt;site&lt;/b&gt;" in page
    assert "It has not run yet." in page
    again = await send_form(ann, "/cleanup/rules", {**fields, "key": "another-key"})
    assert again.count("It has not run yet.") == 1
    (rule,) = (await ann.done("GET", "/api/cleanup/rules"))["rules"]
    assert "It has not run yet." not in await ben.done("GET", "/cleanup")
    assert OWNER in await root.done("GET", "/cleanup")
    assert "less than" not in await send_form(
        ann, "/cleanup/rules", {**fields, "rule": rule["id"], "days": "60"}
    )
    (changed,) = (await ann.done("GET", "/api/cleanup/rules"))["rules"]
    assert (changed["id"], changed["rule"]["olderThanDays"]) == (rule["id"], 60)
    look = f"/cleanup?rule={rule['id']}&verb=delete&days=60"
    assert "Change the rule to this" in await ann.done("GET", look)
    assert (await ben.send("PUT", f"/api/cleanup/rules/{rule['id']}", {}))[0] == 404
    for wrong in ({"olderThanDays": 0.5}, {"onlyMine": False}):
        assert (await ann.send("POST", "/api/cleanup/rules", wrong))[0] in (403, 422)
    world.now_ms[0] = 13 * 3_600_000
    assert (await ann.send("POST", "/api/cleanup/rules", {"verb": "delete"}))[1]["code"] == "fresh_login_needed"
    page = await send_form(ann, "/cleanup/rules", {"key": "a-third-key", "act": "remove", "rule": rule["id"]})
    assert "Each day" not in page


async def test_a_turns_time_is_a_page_behind_the_time_below_the_answer(world: WebWorld) -> None:
    ann, ben = await world.browser(OWNER), await world.browser(OTHER)
    session = await world.session_of(ann, "demo:sleep 0.05 demo:text hello")
    await world.settled(ann, session)
    links = (
        each.attrs.get("href") or ""
        for each in every_element(parsed(await ann.done("GET", f"/chat/{session}")))
    )
    (link,) = (each for each in links if each.endswith("/timing"))
    place = f"/chat/{link.removeprefix('./')}"
    page = await ann.done("GET", place)
    check(parsed(page))
    assert "Until Claude&#x27;s first sign" in page
    assert (await ben.send("GET", place))[0] == 404


async def test_a_page_that_is_opened_later_shows_the_notices_since_the_newest_turn(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session_id = await world.session_of(ann, "demo:text one")
    await world.settled(ann, session_id)
    session = await world.core.manager.get_session(session_id)
    for text in ("An <b>old</b> notice.", "A newer one."):
        async with session.change() as draft:
            draft.add(Noticed(Topic.BILLING, text))
    page = await ann.done("GET", f"/chat/{session_id}")
    check(parsed(page))
    assert "An &lt;b&gt;old&lt;/b&gt; notice." in page
    await ann.done("POST", f"/api/sessions/{session_id}/messages", {"content": "demo:text two"})
    await world.settled(ann, session_id)
    assert "A newer one." not in await ann.done("GET", f"/chat/{session_id}")
    # A prompt that waits has dealt with nothing yet.
    await ann.done("POST", f"/api/sessions/{session_id}/messages", {"content": "demo:gate held"})
    await world.running(session_id)
    async with session.change() as draft:
        draft.add(Noticed(Topic.BILLING, "Still true."))
    await ann.done("POST", f"/api/sessions/{session_id}/messages", {"content": "demo:text waits"})
    assert "Still true." in await ann.done("GET", f"/chat/{session_id}")


async def test_below_a_path_every_address_of_every_page_is_below_it(tmp_path: Path) -> None:
    async with web_world(tmp_path / "core", WebOptions(0, base_path="/x/y")) as world:
        ann = await world.browser(ADMIN)
        session = await world.session_of(ann, "demo:text **words** [a](/etc) demo:long 2000")
        await world.settled(ann, session)
        await ann.done("POST", "/api/cleanup/rules", {})
        template = (await ann.done("POST", "/api/prompt-templates", {"name": "n", "text": "{a}"}))["id"]
        draft = (await ann.done("POST", f"/api/sessions/{session}/pages", {}))["id"]
        shared = await ann.done("POST", f"/api/sessions/{session}/pages/{draft}/publish", {})
        assert shared["url"] == f"{ann.address}/shared/{shared['token']}"
        turn = (await ann.done("GET", f"/api/sessions/{session}/turns"))["turns"][0]["turn"]["id"]
        one = f"/chat/{session}"
        for path in (
            *("/", "/?text=words", "/doors", "/admin", "/login", "/templates", "/cleanup?verb=archive&days=0"),
            *(one, f"{one}?at=1", f"{one}/share", f"{one}/checkpoints", f"{one}/branches"),
            *(
                f"{one}/turns/{turn}/timing",
                f"{one}/turns/{turn}/changes",
                f"{one}/turns/{turn}/blocks/0",
                f"/templates/{template}",
                f"/templates/{template}?session={session}",
            ),
            f"/shared/{shared['token']}",
        ):
            for element in every_element(parsed(await ann.done("GET", path))):
                for name in ("href", "src", "action"):
                    value = element.attrs.get(name) or ""
                    is_ours = value.startswith("/") and value != "/etc"
                    assert not is_ours or value.startswith("/x/y/"), (path, value)
        begun = await send_form(
            ann, f"/templates/{template}", {"key": "a-key-of-a-form", "place0": "demo:text hi"}
        )
        assert "demo:text hi" in begun


async def test_a_search_leads_to_the_place_with_the_words_marked(world: WebWorld) -> None:
    ann, ben = await world.browser(OWNER), await world.browser(OTHER)
    session = await world.session_of(ann, "demo:text The **token** <b>&amp; ampere</b> here")
    for number in range(32):
        await world.core.db.write([_turn(session, number + 2)])
    await world.settled(ann, session)
    page = await ann.done("GET", "/?text=token+here")
    links = [each.attrs["href"] or "" for each in every_element(parsed(page)) if each.tag == "a"]
    (link,) = (each for each in links if "#b-" in each)
    place, _, element = link.partition("#")
    opened = await ann.done("GET", place)
    check(parsed(opened))
    block = parsed(opened).find(element)
    assert block is not None
    marks = [each.parts for each in every_element(block) if each.tag == "mark"]
    assert marks == [["token"], ["here"]]
    assert "To the newest turns" in opened
    assert (await ben.send("GET", place))[0] == 404
    assert "#b-" not in await ben.done("GET", "/?text=token+here")
    for hostile in ("amp", "<b>", "&lt;"):
        check(parsed(await ann.done("GET", f"/chat/{session}?at=1&find={quote(hostile)}")))


def _turn(session: str, number: int) -> Statement:
    return Statement(
        "INSERT INTO turns (id, session_id, number, kind, status, author_id, prompt, queued_ms)"
        " VALUES (?, ?, ?, 'prompt', 'done', 'ann', 'more', ?)",
        (f"later-{number}", session, number + 100, number),
    )


@pytest.mark.parametrize("path", ["/chat/nope", "/nowhere"])
async def test_a_person_reads_a_refusal_as_a_page_and_a_program_as_a_problem(
    world: WebWorld, path: str
) -> None:
    ann = await world.browser(OWNER)
    status, problem = await ann.send("GET", path)
    seen = await ann.send("GET", path, headers={"Accept": "text/html,*/*;q=0.8"})
    assert (seen[0], status) == (404, 404)
    check(parsed(seen[1]))
    assert problem["title"] in seen[1]
    assert 'href="/"' in seen[1]


async def test_a_reader_without_scripts_reads_and_prompts(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    headers = {"Origin": ann.origin, "Sec-Fetch-Site": "same-origin"}
    form = {"prompt": "demo:text **bold** words", "key": "abcdefgh1"}
    async with ann.http.post(f"{ann.address}/new", data=form, headers=headers) as answer:
        assert answer.status == 200
        session = answer.url.path.rpartition("/")[2]
    await world.settled(ann, session)
    for _ in range(2):  # a page that is sent again is no second prompt
        again = {"prompt": "demo:text more", "key": "abcdefgh2"}
        async with ann.http.post(f"{ann.address}/chat/{session}/send", data=again, headers=headers) as answer:
            assert answer.status == 200
    view = await world.settled(ann, session)
    assert len(view["userInputs"]) == 2
    page = await ann.done("GET", f"/chat/{session}")
    assert "<strong>bold</strong> words" in page
    assert page.count('<article class="turn"') == 2


async def test_a_very_long_answer_is_cut_with_a_link_to_all_of_it(
    world: WebWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(text: str, most: int, *, is_markdown: bool) -> Iterator[str]:
        assert threading.current_thread() is not threading.main_thread(), "everybody else would wait"
        return pieces_of(text, most, is_markdown=is_markdown)

    monkeypatch.setattr("web.pages.block_page.pieces_of", cut)
    ann = await world.browser(OWNER)
    session = await world.session_of(ann, "demo:big 8")
    await world.settled(ann, session)
    page = await ann.done("GET", f"/chat/{session}")
    check(parsed(page))
    assert len(page) < 150_000
    links = (each.attrs.get("href") or "" for each in every_element(parsed(page)))
    (link,) = {each for each in links if "/blocks/" in each}
    (block,) = (await ann.done("GET", f"/api/sessions/{session}/turns/{link.split('/')[4]}"))["blocks"]
    text = block["block"]["text"]
    first = await ann.done("GET", link)
    check(parsed(first))
    assert len(first) < 600_000
    count = int(re.findall(r"Part 1 of (\d+)", first)[0])
    last = await ann.done("GET", f"{link}?part={count}")
    assert text[-200:].split()[-1] in last
    assert (await ann.send("GET", f"{link}?part={count + 1}"))[0] == 404
    async with ann.http.get(f"{ann.address}{link}/text") as answer:
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert (await answer.text()) == text


async def test_a_long_session_opens_at_its_end(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    for number in range(33):
        await ann.done("POST", f"/api/sessions/{session}/messages", {"content": f"demo:text n{number}"})
        await world.settled(ann, session)
    page = await ann.done("GET", f"/chat/{session}")
    assert page.count('<article class="turn"') == 30
    before = page.partition("?before=")[2].partition('"')[0]
    older = await ann.done("GET", f"/chat/{session}?before={before}")
    assert older.count('<article class="turn"') == 3
    assert "data-session" not in older
    whole = await ann.done("GET", f"/api/sessions/{session}?all=1")
    assert len(whole["conversationHistory"]) == 66


async def test_a_page_follows_from_before_all_that_it_shows(world: WebWorld) -> None:
    """A change between two reads of the page is on it, or comes by its stream."""
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    core = _Between(world.core.service, c.Rename(session_id=session, title="Renamed"))
    parts = WebParts(cast("c.Core", core), world.parts.doors, world.parts.lookup, world.parts.options)
    actor = await world.parts.lookup(OWNER, False)
    shown = await session_page(parts, actor, session, PagePlace())
    followed = int(shown.partition('data-after="')[2].partition('"')[0])
    assert '<h1 id="title">Renamed' in shown or followed < core.changed_at


class _Between:
    """A core in which something happens right after the first read."""

    def __init__(self, core: Any, change: Any) -> None:
        self._core = core
        self._change = change
        self.changed_at = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._core, name)

    async def perform(self, actor: Actor, command: Any) -> Any:
        answer = await self._core.perform(actor, command)
        if not self.changed_at:
            self.changed_at = (await self._core.perform(actor, self._change)).last_event
        return answer


async def test_a_name_that_cannot_be_looked_up_is_asked_for_once_in_a_while() -> None:
    asked: list[str] = []

    async def find(user_id: str) -> str:
        asked.append(user_id)
        raise OSError

    people = People(find)
    for _ in range(3):
        await people.learn([OWNER])
    assert asked == [OWNER]


def test_a_form_with_many_chosen_choices_is_shown_in_linear_time() -> None:
    def shown(count: int) -> str:
        names = tuple(str(number) for number in range(count))
        choices = tuple(FieldChoice(name, name) for name in names)
        body = FormBody("s", "m", (FormField("a", FieldKind.CHOICES, "A", choices=choices, default=names),))
        asked = Ask(AskId("a"), None, 1, "r", 0, body)
        stored = StoredAsk(asked, SessionId("s"), AskStatus.OPEN, None, "", None)
        return asks.ask(stored, {}, Reader(approve=True))

    assert shown(3).count(" checked") == 3
    assert cost_of_twice(shown, 4_000) < LINEAR
