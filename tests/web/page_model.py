"""A page as a tree of elements with ids, and the changes of the live stream applied to it.

The same rules as `web/static/changes.js`, which the browser's tests run for real.
"""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

_VOID = frozenset({"br", "hr", "input", "link", "meta", "img"})


@dataclass
class Element:
    """An element; `parts` are its texts and children in order."""

    tag: str
    attrs: dict[str, str | None]
    parts: list["Element | str"] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.attrs.get("id") or ""

    def find(self, name: str) -> "Element | None":
        if self.id == name:
            return self
        found = (part.find(name) for part in self.parts if isinstance(part, Element))
        return next((each for each in found if each is not None), None)

    def parent_of(self, name: str) -> "Element | None":
        for part in self.parts:
            if isinstance(part, Element):
                if part.id == name:
                    return self
                if (found := part.parent_of(name)) is not None:
                    return found
        return None

    def shown(self) -> str:
        """Return the element as text with its structure, for comparison."""
        inside = "".join(part if isinstance(part, str) else part.shown() for part in self.parts)
        attrs = "".join(f" {name}={value!r}" for name, value in sorted(self.attrs.items()) if name != "value")
        return f"<{self.tag}{attrs}>{inside}</{self.tag}>"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("root", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.open[-1].parts.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if any(each.tag == tag for each in self.open):
            while self.open.pop().tag != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self.open[-1].parts and isinstance(self.open[-1].parts[-1], str):
            self.open[-1].parts[-1] += data
        else:
            self.open[-1].parts.append(data)


def parsed(html: str) -> Element:
    """Return the tree of a page or a piece of one."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.root


class Page:
    """A page that takes changes."""

    def __init__(self, html: str) -> None:
        self.root = parsed(html)

    def apply(self, change: dict[str, Any]) -> None:
        match change["type"]:
            case "put":
                self._put(change)
            case "remove":
                self._remove(change["id"])
            case "grow":
                self._grow(change)
            case "settle":
                if (element := self.root.find(change["id"])) is not None:
                    settled, tail = element.parts
                    assert isinstance(settled, Element)
                    assert isinstance(tail, Element)
                    settled.parts += parsed(change["html"]).parts
                    tail.parts = [change["tail"]]

    def shown(self, name: str) -> str:
        element = self.root.find(name)
        return element.shown() if element is not None else ""

    def _put(self, change: dict[str, Any]) -> None:
        fresh = next(part for part in parsed(change["html"]).parts if isinstance(part, Element))
        parent = self.root.parent_of(change["id"])
        if parent is not None:
            if not change["once"]:
                place = next(
                    n
                    for n, part in enumerate(parent.parts)
                    if isinstance(part, Element) and part.id == change["id"]
                )
                parent.parts[place] = fresh
            return
        if (into := self.root.find(change["parent"])) is not None:
            before = [
                n
                for n, part in enumerate(into.parts)
                if isinstance(part, Element) and part.id == change["before"]
            ]
            into.parts.insert(before[0] if change["before"] and before else len(into.parts), fresh)

    def _remove(self, name: str) -> None:
        if (parent := self.root.parent_of(name)) is not None:
            parent.parts = [part for part in parent.parts if isinstance(part, str) or part.id != name]

    def _grow(self, change: dict[str, Any]) -> None:
        if change["fresh"]:
            self._remove(change["id"])
        element = self.root.find(change["id"])
        if element is None:
            into = self.root.find(change["parent"])
            if into is None:
                return
            settled, tail = Element("div", {"class": "settled"}), Element("div", {"class": "tail"}, [""])
            element = Element(
                "div", {"id": change["id"], "class": f"block {change['kind']} growing"}, [settled, tail]
            )
            into.parts.append(element)
        last = element.parts[1]
        assert isinstance(last, Element)
        last.parts = [f"{last.parts[0]}{change['text']}"]

    def forget_growing(self) -> None:
        """Take out everything that grows, as a page does that connects anew."""
        self._forget(self.root)

    def _forget(self, element: Element) -> None:
        kept: list[Element | str] = []
        for part in element.parts:
            if isinstance(part, Element):
                if "growing" in (part.attrs.get("class") or ""):
                    continue
                self._forget(part)
            kept.append(part)
        element.parts = kept
