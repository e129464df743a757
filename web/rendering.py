"""Renders Markdown for the pages, in a thread of its own and with a cache: each block is rendered once.

A long answer takes tens of milliseconds, in which the event loop could answer nobody.
"""

import asyncio
import hashlib
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from texts.unseen import as_seen

if TYPE_CHECKING:
    from texts.markdown_html import MarkdownHtml

_CACHE_CHARS = 16 * 2**20
_IN_PLACE_CHARS = 400
"""Shorter texts take less time than the way to the thread and back."""


class Renderer:
    """Turns Claude's Markdown into safe HTML. Close it when the face ends."""

    def __init__(self) -> None:
        # One worker: the parser is not made for several threads, and one core is enough for people who read.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="web rendering")
        self._parsers: tuple[MarkdownHtml, MarkdownHtml] | None = None
        self._cache: OrderedDict[bytes, str] = OrderedDict()
        self._held = 0

    async def markdown(self, text: str) -> str:
        """Return Markdown `text` as HTML, without invisible characters."""
        # The digest as the key: the cache then holds no second copy of the text. Lone surrogates do occur.
        key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if (known := self._cache.get(key)) is not None:
            self._cache.move_to_end(key)
            return known
        shown, (in_loop, in_worker) = as_seen(text), await self._loaded()
        if len(shown) <= _IN_PLACE_CHARS:
            rendered = in_loop.render(shown)
        else:
            loop = asyncio.get_running_loop()
            rendered = await loop.run_in_executor(self._worker, partial(in_worker.render, shown))
        self._keep(key, rendered)
        return rendered

    async def settled(self, text: str) -> int:
        """Return the number of characters of `text` that later text cannot change; see `MarkdownHtml`."""
        in_loop, in_worker = await self._loaded()
        if len(text) <= _IN_PLACE_CHARS:
            return in_loop.settled(text)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, partial(in_worker.settled, text))

    def close(self) -> None:
        """Stop the thread; a text that is being rendered is dropped."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def _loaded(self) -> "tuple[MarkdownHtml, MarkdownHtml]":
        """Return the parsers of the loop and of the thread, which loads them with the first text."""
        if self._parsers is None:
            loop = asyncio.get_running_loop()
            # Two tasks may both load them; the second pair replaces the first, and both work.
            self._parsers = await loop.run_in_executor(self._worker, _parsers)
        return self._parsers

    def _keep(self, key: bytes, rendered: str) -> None:
        # Two tasks may render one text at once; the cache holds one of the two.
        self._held += len(rendered) - len(self._cache.get(key, ""))
        self._cache[key] = rendered
        # The newest stays even if it alone is over the bound: its page is about to show it again.
        while self._held > _CACHE_CHARS and len(self._cache) > 1:
            self._held -= len(self._cache.popitem(last=False)[1])


def _parsers() -> "tuple[MarkdownHtml, MarkdownHtml]":
    from texts.markdown_html import MarkdownHtml

    return MarkdownHtml(), MarkdownHtml()
