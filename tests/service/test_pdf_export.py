"""PDF exports: what is in them can be read again, and hostile text stays text."""

import asyncio
import json
import re
import subprocess
import zlib
from pathlib import Path

import pytest

import api as c
from service import pdf_export
from service.pdf_nodes import breakable, markdown_nodes, plain
from sessions.errors import PdfRefused
from sessions.model import ExportFormat
from tests.sessions.running_core import CoreParts, running_core

SECRET = "a-known-secret-value"
HOSTILE = '#read("/etc/passwd") #import "@preview/x:1.0.0" $x$ \\ `r` <label> @ref // c /* d */ = h ]] #{1+1}'


def test_markdown_becomes_a_tree_of_plain_values() -> None:
    text = "# T\n\na **b** `c` [d](https://e.example)\n\n> q\n\n1. x\n2. y\n\n|h|\n|-|\n|v|\n\n"
    text += "```py\np\n```\n\n---"
    kinds = [node["t"] for node in markdown_nodes(text)]
    assert kinds == ["h", "p", "quote", "enum", "table", "pre", "hr"]
    json.dumps(markdown_nodes(text))
    assert markdown_nodes("![x](http://evil.example/?q=secret)")[0]["c"][0]["v"].startswith("!")
    assert markdown_nodes("שלום world")[0]["rtl"]
    assert not markdown_nodes("1. world")[0].get("rtl")
    assert [node["t"] for node in plain("a\nb\n\nc")[0]["c"]] == ["text", "br", "text"]
    assert breakable("x" * 130).count("\u200b") == 2


async def test_a_session_is_a_pdf_with_its_texts_and_without_its_secrets(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core", CoreParts(secrets=(SECRET,))) as core:
        session = await core.session()
        await core.ask(session, f"demo:text {HOSTILE} {SECRET}")
        await core.ask(session, "demo:text 日本語 🎉 שלום")
        file = await core.do(c.ExportSession(session_id=session.id, format=ExportFormat.PDF))
        assert file.name == f"session-{session.id}.pdf"
        assert file.data.startswith(b"%PDF")
        pdf = tmp_path / "made.pdf"
        pdf.write_bytes(file.data)
        assert SECRET.encode() not in _streams(file.data)
        await asyncio.to_thread(_look, pdf)


def _streams(data: bytes) -> bytes:
    found = b""
    for part in re.findall(rb"stream\r?\n(.*?)endstream", data, re.DOTALL):
        try:
            found += zlib.decompress(part)
        except zlib.error:
            found += part
    return found


def _look(pdf: Path) -> None:
    """Compare the text, if the machine has a reader of PDFs."""
    try:
        done = subprocess.run(["pdftotext", str(pdf), "-"], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        return
    shown = " ".join(done.stdout.replace("\u200b", "").split())
    assert '#read("/etc/passwd")' in shown
    assert "#{1+1}" in shown
    assert "[redacted]" in shown
    assert SECRET not in shown
    assert "root:" not in shown


async def test_a_pdf_is_refused_in_words_without_the_extra_and_if_it_takes_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_core(tmp_path / "core") as core:
        session = await core.session()
        wish = c.ExportSession(session_id=session.id, format=ExportFormat.PDF)
        for name, value, words in (("_DEADLINE_S", 0.01, "too long"), ("MOST_TURNS", -1, "at most")):
            with monkeypatch.context() as changed:
                changed.setattr(pdf_export, name, value)
                with pytest.raises(PdfRefused, match=words):
                    await core.do(wish)
        monkeypatch.setattr(pdf_export, "find_spec", lambda name: None)
        with pytest.raises(PdfRefused, match="make pdf"):
            await core.do(wish)
