"""Hostile texts for one regular expression, derived from its own parts.

A backtracking matcher gets slow where a part may be repeated and the part behind it fails. So each part that
may be repeated is repeated on and on: behind a text that leads to it, before a sign that fits nowhere. Other
texts are the whole expression over and over, and every sign that it names, alone and in pairs.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import product
from re import _constants as op  # type: ignore[attr-defined,unused-ignore]  # no public name since 3.11
from re import _parser as parser  # type: ignore[attr-defined,unused-ignore]
from typing import Any

Part = tuple[Any, Any]
_REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)
_ORDINARY = " a0_\n"
_MOST_SIGNS = 12
_SEPARATORS = '-. "'
_ENDS = ("", "\x00", "\n!")


def hostile_texts(pattern: re.Pattern[str], size: int) -> Iterator[str]:
    """Yield texts of `size` characters, each of which may be the worst for `pattern`."""
    parts = list(parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG))
    signs = _signs(parts)
    pumps = [(prefix, pump) for prefix, body in _repeats(parts, "", signs) for pump in _pumps(body, signs)]
    whole = _spelled(parts, signs[0] if signs else "a")
    pumps += [
        ("", each)
        for each in (whole, whole[:-1], whole + "\n", *signs, *map("".join, product(signs, repeat=2)))
    ]
    pumps += [("", each + sign) for each in _branches(parts, signs) for sign in ("", *_SEPARATORS)]
    for prefix, pump in dict.fromkeys(pumps):
        if pump:
            for end in _ENDS:
                room = size - len(prefix) - len(end)
                yield prefix + (pump * (room // len(pump) + 1))[:room] + end


def _repeats(parts: Sequence[Part], prefix: str, signs: Sequence[str]) -> Iterator[tuple[str, Sequence[Part]]]:
    """Yield each part that may be repeated without end (or often), with a text that leads to it."""
    for kind, value in parts:
        if kind in _REPEATS:
            _, most, body = value
            if most > 20:
                yield prefix, body
            yield from _repeats(body, prefix, signs)
        else:
            for inner in _inside(kind, value):
                yield from _repeats(inner, prefix, signs)
        prefix += _spelled([(kind, value)], signs[0] if signs else "a")


def _branches(parts: Sequence[Part], signs: Sequence[str]) -> Iterator[str]:
    """Yield a text for each alternative, whole and without its end."""
    for kind, value in parts:
        for inner in _inside(kind, value) if kind not in _REPEATS else [value[2]]:
            if kind is op.BRANCH:
                spelled = _spelled(inner, signs[0] if signs else "a")
                yield spelled
                yield spelled[: len(spelled) // 2]
            yield from _branches(inner, signs)


def _inside(kind: Any, value: Any) -> Sequence[Sequence[Part]]:
    match kind:
        case op.SUBPATTERN:
            return [value[-1]]
        case op.BRANCH:
            return list(value[1])
        case op.ASSERT | op.ASSERT_NOT:
            return [value[1]]
        case op.ATOMIC_GROUP:
            return [value]
        case _:
            return []


def _pumps(body: Sequence[Part], signs: Sequence[str]) -> list[str]:
    """Texts that `body` takes, one for each of the signs that may stand in it."""
    return list(dict.fromkeys(_spelled(body, sign) for sign in signs or "a"))


def _spelled(parts: Sequence[Part], liked: str) -> str:
    """Return a short text that `parts` take, with `liked` wherever it may stand."""
    text = ""
    for kind, value in parts:
        match kind:
            case op.LITERAL:
                text += chr(value)
            case op.NOT_LITERAL:
                text += liked if ord(liked) != value else "b"
            case op.ANY:
                text += liked if liked != "\n" else "a"
            case op.IN:
                text += _member(value, liked)
            case _ if kind in _REPEATS:
                least, most, body = value
                text += _spelled(body, liked) * max(least, min(1, most))
            case op.BRANCH | op.SUBPATTERN | op.ATOMIC_GROUP:
                text += _spelled(_inside(kind, value)[0], liked)
            case _:
                pass  # places take no text
    return text


def _member(items: Sequence[Part], liked: str) -> str:
    candidates = [liked, *_ORDINARY, *"\t.-A`~/:漢\u0301\x1b\ud800", *_ends_of(items)]
    taken = re.compile(_class_of(items))
    return next((each for each in candidates if taken.fullmatch(each)), "")


def _ends_of(items: Sequence[Part]) -> str:
    text = ""
    for kind, value in items:
        if kind is op.LITERAL:
            text += chr(value)
        elif kind is op.RANGE:
            text += chr(value[0]) + chr(value[1])
    return text


def _class_of(items: Sequence[Part]) -> str:
    """Write a class of characters as an expression of its own."""
    written = ""
    for kind, value in items:
        match kind:
            case op.NEGATE:
                written += "^"
            case op.LITERAL:
                written += f"\\U{value:08x}"
            case op.RANGE:
                written += f"\\U{value[0]:08x}-\\U{value[1]:08x}"
            case op.CATEGORY:
                written += _CATEGORIES[value]
            case _:
                raise NotImplementedError(kind)
    return f"[{written}]"


_CATEGORIES = {
    op.CATEGORY_DIGIT: r"\d",
    op.CATEGORY_NOT_DIGIT: r"\D",
    op.CATEGORY_SPACE: r"\s",
    op.CATEGORY_NOT_SPACE: r"\S",
    op.CATEGORY_WORD: r"\w",
    op.CATEGORY_NOT_WORD: r"\W",
}


def _signs(parts: Sequence[Part]) -> list[str]:
    """The characters that the expression speaks of, and a few ordinary ones; not more than some."""
    found: dict[str, None] = {}

    def walk(parts: Sequence[Part]) -> None:
        for kind, value in parts:
            if kind in (op.LITERAL, op.NOT_LITERAL):
                found[chr(value)] = None
            elif kind is op.IN:
                found[_member(value, "a")] = None
                found.update(dict.fromkeys(_ends_of(value)[:2]))
            elif kind in _REPEATS:
                walk(value[2])
            else:
                for inner in _inside(kind, value):
                    walk(inner)

    walk(parts)
    found.pop("", None)
    return list(found)[:_MOST_SIGNS]
