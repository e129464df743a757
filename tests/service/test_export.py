"""Export for people: Markdown and one HTML file, whole, escaped, without script and without secrets."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from markdown_it import MarkdownIt

import api as c
from api.access import Actor, Role
from api.words.exports import EXPORTS
from service.export_text import to_html, to_markdown
from service.exporting import build_archive
from sessions.archive import ArchivedTurn, SessionArchive
from sessions.errors import NotAllowed
from sessions.model import (
    Block,
    ExportFormat,
    Note,
    Other,
    PermissionMode,
    SessionId,
    ShareLevel,
    Text,
    Thinking,
    TokenUsage,
    ToolCall,
    ToolOutput,
    TurnId,
    TurnKind,
    TurnStatus,
)
from sessions.stored import StoredTurn
from tests.sessions.running_core import CoreParts, RunningCore, running_core
from texts.redaction import MARK, Redactor

SESSION = SessionId("01890000-0000-7000-8000-000000000001")
KEY = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz"
EVIL = '<script>alert(1)</script><img src=x onerror=alert(2)> & "quoted" [x](javascript:alert(3))'


def turn(prompt: str, **facts: object) -> StoredTurn:
    stored = StoredTurn(
        id=TurnId("01890000-0000-7000-8000-00000000000a"), session_id=SESSION, number=1, kind=TurnKind.PROMPT,
        status=TurnStatus.DONE, author_id="ann", prompt=prompt, prompt_uuid="", attachments=(),
        conversation_id="", last_uuid="", alternative_of=None, reason="", cost_usd=0.25,
        usage=TokenUsage(1234, 56), queued_ms=1_700_000_000_000, started_ms=None, ended_ms=None,
        duration_ms=2500, first_text_ms=None,
    )  # fmt: skip
    return msgspec.structs.replace(stored, **facts)


def archive(
    *blocks: Block, prompt: str = "a question", title: str = "A title", **facts: object
) -> SessionArchive:
    return SessionArchive(
        exported_ms=1_700_000_100_000, session_id=SESSION, title=title, project="", model="claude-opus-5-5",
        mode=PermissionMode.DEFAULT, created_ms=1_700_000_000_000, cost_usd=0.25, conversation_id="",
        turns=(ArchivedTurn(turn(prompt, **facts), blocks),), asks=(), conversations=(),
    )  # fmt: skip


EVERY_KIND: tuple[Block, ...] = (
    Text("Some *words* and\n\n```python\nprint(1)\n```"),
    Thinking("a thought"),
    ToolCall("t1", "Bash", {"command": "echo hi"}),
    ToolOutput("t1", "hi", is_error=False),
    ToolOutput("t2", "", paths=("a.py",), patch="@@ -1,1 +1,1 @@\n-old\n+new"),
    ToolOutput("t3", "it broke", is_error=True),
    Note("compacted", "Compacted from 9 to 1 tokens."),
    Other("server_tool_use", {"some": "body"}),
)
PARTS = (
    "a question",
    "words",
    "print",
    "a thought",
    "echo hi",
    "hi",
    "old",
    "new",
    "it broke",
    "Compacted",
    "body",
)


def plain(text: str) -> str:
    return text


class Page(HTMLParser):
    """The tags, attributes and text of an HTML page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("write", [to_markdown, to_html])
def test_every_kind_of_block_is_in_it_with_costs(write: object) -> None:
    assert callable(write)
    text = write(archive(*EVERY_KIND), plain)
    shown = Page(text).text if write is to_html else text
    for part in (*PARTS, "1,234 tokens in, 56 out", "$0.2500", "2.5 s", "2023-11-14 22:13 UTC"):
        assert part in shown, part


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"status": TurnStatus.FAILED, "reason": "It was too much."}, "failed: It was too much."),
        ({"status": TurnStatus.INTERRUPTED}, "interrupted"),
        ({"kind": TurnKind.BACKGROUND, "prompt": ""}, "Background work"),
        ({"alternative_of": TurnId("x")}, "asked again"),
    ],
)
def test_how_a_turn_ended_and_began_is_said(facts: dict[str, object], says: str) -> None:
    assert says in to_markdown(archive(**facts), plain)  # type: ignore[arg-type]  # facts of a turn
    assert says in Page(to_html(archive(**facts), plain)).text  # type: ignore[arg-type]  # facts of a turn


@pytest.mark.parametrize(
    "block",
    [
        Text(EVIL), Text(f"```{EVIL}\n{EVIL}\n```"), Text(f"a | b\n--|--\n{EVIL} | {EVIL}"), Thinking(EVIL),
        ToolCall("t", EVIL, {EVIL: EVIL}), ToolOutput("t", EVIL), ToolOutput("t", "", patch=f"+{EVIL}"),
        Note(EVIL, EVIL), Other(EVIL, {EVIL: EVIL}),
        Text("<style>*{display:none}</style>\n\n<svg/onload=alert(1)>"), Text("![x](http://h.example/track.png)"),
    ],
)  # fmt: skip
def test_html_shows_what_was_written_and_runs_and_loads_nothing(block: Block) -> None:
    text = to_html(archive(block, prompt=EVIL, title=EVIL, reason=EVIL, status=TurnStatus.FAILED), plain)
    page = Page(text)
    assert page.tags.isdisjoint({"script", "img", "svg", "iframe", "object", "embed", "link", "base", "form"})
    assert text.count("<style") == 1
    for name, value in page.attributes:
        assert not name.startswith("on"), name
        assert name not in ("src", "srcset", "data", "action"), name
        assert not (value or "").strip().lower().startswith(("javascript:", "data:", "vbscript:")), value
    assert "default-src 'none'" in text
    assert "<script>alert(1)</script>" in page.text


@pytest.mark.parametrize(
    "text",
    [
        EVIL,
        f"`code` {EVIL} `code`",
        f"a ` b {EVIL} c",
        f"- a `\n- {EVIL} `",
        f"a `b\\` {EVIL} `c`",
        f"\\` {EVIL} \\`",
        f'<a href="`"> {EVIL} `',
        f"| a | b |\n|--|--|\n| `{EVIL}` | {EVIL} |",
        f"```\n{EVIL}\n```\n{EVIL}",
        f"```\n{EVIL}",
        f"> {EVIL}\r# {EVIL}",
        f"[a]: <http://x>\n{EVIL}",
        f"    {EVIL}\n\n{EVIL}",
        f"~~~ {EVIL}\n~~~\n{EVIL}",
        f"`\n{EVIL}`",
        f"> `a\n{EVIL}`",
        f"- `a\n   {EVIL}`",
        "`\n</details>`",
        "</details>\n\n<!-- \n\n -->\n<?php ?>\n<![CDATA[x]]>",
    ],
)
def test_markdown_has_no_tag_that_somebody_wrote(text: str) -> None:
    blocks = (Text(text), Thinking(text), Note("n", text), ToolCall("t", text, {"a": text}))
    whole = archive(
        *blocks, ToolOutput("t", text), prompt=text, title=text, reason=text, status=TurnStatus.FAILED
    )
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(to_markdown(whole, plain))
    page = Page(rendered)
    assert page.tags.isdisjoint({"script", "img", "svg"})
    assert rendered.count("</details>") == rendered.count("<details>") == 1
    assert "Thinking" in page.text
    assert "Result:" in page.text


def test_a_footnote_has_no_tag_for_renderers_that_know_footnotes() -> None:
    text = "a[^1]\n\n[^1]: <img src=x onerror=alert(1)>\n\n> [^2]: <img src=x>\n\n[b]: <a b>\n\n[b]"
    written = to_markdown(archive(Text(text)), plain)
    assert "<img" not in written
    assert "[b]: <a b>" in written


@pytest.mark.parametrize(
    "text",
    ["`a <b> c`", "```\n<b>\n```", "``a ` <b>``", "see <https://x.y/z>", "1 < 2", "| `<b>` | x |\n|--|--|"],
)
def test_markdown_keeps_code_and_addresses_as_they_are(text: str) -> None:
    assert f"\n\n{text}\n\n" in to_markdown(archive(Text(text)), plain)


@pytest.mark.parametrize(
    "label", ["paypal.de", "**paypal.de**", "`paypal.de`", "пример.рф", "例え。テスト", "go to paypal.de"]
)
def test_a_page_shows_where_a_link_leads_whose_label_names_another_host(label: str) -> None:
    page = Page(
        to_html(archive(Text(f"[{label}](https://evil.example/x) [docs](https://docs.example)")), plain)
    )
    assert "(evil.example)" in page.text
    assert "(docs.example)" not in page.text


@pytest.mark.parametrize("write", [to_markdown, to_html])
def test_exports_show_nothing_that_nobody_sees(write: object) -> None:
    assert callable(write)
    hidden = "a\u202eb\u2066c\u200bd\x1be\U000e0041f"
    blocks = (Text(hidden), Thinking(hidden), ToolCall("t", hidden, {"x": hidden}), ToolOutput("t", hidden))
    text = write(archive(*blocks, Note("n", hidden), prompt=hidden, title=hidden), plain)
    assert not re.search("[\u202e\u2066\u200b\x1b\U000e0041]", text)
    assert text.count("abcdef") >= 5


@pytest.mark.parametrize("fence", ["```", "````", "``````"])
def test_a_fence_in_a_tools_output_does_not_end_the_fence_around_it(fence: str) -> None:
    output = f"{fence}\n# not a heading\n{fence}"
    tokens = MarkdownIt().parse(to_markdown(archive(ToolOutput("t", output)), plain))
    assert [token.content for token in tokens if token.type == "fence"] == [f"{output}\n"]


@pytest.mark.parametrize(
    "block",
    [
        Text(f"use {KEY} now"), Text(f"```\nexport API_KEY={KEY}\n```"), Thinking(KEY),
        ToolCall("t", "Bash", {"k": KEY}), ToolOutput("t", KEY),
        ToolOutput("t", "", patch=f"+{KEY}"), Note("n", KEY), Other("o", {"k": KEY}),
    ],
)  # fmt: skip
def test_secrets_are_marked_in_what_people_read(block: Block) -> None:
    shown = archive(block, prompt=f"my key is {KEY}", title=f"about {KEY}")
    redact = Redactor().redact
    for text in (to_markdown(shown, redact), to_html(shown, redact)):
        assert KEY not in text
        assert text.count(MARK) >= 3


async def exported(core: RunningCore, session_id: str, wanted: ExportFormat) -> c.ExportedFile:
    file = await core.do(c.ExportSession(session_id=session_id, format=wanted))
    assert isinstance(file, c.ExportedFile)
    return file


async def test_a_session_is_exported_in_each_format_without_the_bots_token_in_those_for_people(
    tmp_path: Path,
) -> None:
    token = "a-token-of-no-known-shape"
    async with running_core(tmp_path, CoreParts(secrets=(token,))) as core:
        session = await core.session()
        await core.ask(session, f"demo:text it says {token} here")
        # A PDF needs an extra and has a test of its own.
        for wanted in set(ExportFormat) - {ExportFormat.JSON, ExportFormat.PDF}:
            file = await exported(core, session.id, wanted)
            assert file.name == f"session-{session.id}.{EXPORTS[wanted].ending}"
            assert token.encode() not in file.data
            assert MARK.encode() in file.data
            assert b"it says" in file.data
        lossless = await exported(core, session.id, ExportFormat.JSON)
        assert token.encode() in lossless.data


async def test_a_session_is_exported_while_it_works_with_what_is_whole(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        session = await core.session()
        await core.ask(session, "demo:text the first")
        await core.say(session, "demo:text the second demo:block demo:gate g demo:text the third")
        await session.until(lambda snapshot: snapshot.running is not None)
        file = await exported(core, session.id, ExportFormat.MARKDOWN)
        assert b"the first" in file.data
        assert b"demo:text the second" in file.data


async def test_who_may_not_view_a_session_cannot_export_it(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        session = await core.session()
        with pytest.raises(NotAllowed):
            await core.do(c.ExportSession(session_id=session.id), Actor("eve", "test", Role.USER))


async def test_a_share_taken_back_while_an_export_is_made_keeps_the_file_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_core(tmp_path) as core:
        session = await core.session()
        eve = Actor("eve", "test", Role.USER)
        await core.do(c.Share(session_id=session.id, grantee="eve", level=ShareLevel.VIEW))

        async def taken_back_meanwhile(*arguments: Any, **options: Any) -> SessionArchive:
            await core.do(c.Share(session_id=session.id, grantee="eve", level=None))
            return await build_archive(*arguments, **options)

        monkeypatch.setattr("service.exporting.build_archive", taken_back_meanwhile)
        with pytest.raises(NotAllowed):
            await core.do(c.ExportSession(session_id=session.id), eve)
        assert await core.db.read("SELECT 1 FROM audit WHERE actor = 'eve' AND NOT allowed")
