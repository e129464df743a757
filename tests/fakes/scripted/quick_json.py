"""JSON by the two C functions below the `json` package, whose `re` and `enum` take half of a start.

Where Python has them otherwise, the package itself does the work.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _refuse(value: object) -> object:
    raise TypeError(f"{value!r} is no JSON")


def _made() -> tuple[Any, Any]:
    fast = __import__("_json")

    class Context:
        strict = True
        object_hook = object_pairs_hook = None
        parse_float = float
        parse_int = int
        parse_constant = float

    scan = fast.make_scanner(Context)
    encode = fast.make_encoder(
        None, _refuse, fast.encode_basestring_ascii, None, ": ", ", ", False, False, True
    )

    def loads(text: str | bytes) -> Any:
        words = text if isinstance(text, str) else text.decode("utf-8", "surrogatepass")
        words = words.strip(" \t\n\r")
        try:
            value, end = scan(words, 0)
        except StopIteration:
            raise ValueError("no JSON") from None
        if end != len(words):
            raise ValueError("more than one value")
        return value

    def dumps(value: object) -> str:
        return "".join(encode(value, 0))

    assert loads(dumps([1.5, {"a": "\n"}, None])) == [1.5, {"a": "\n"}, None]
    return loads, dumps


try:
    loads, dumps = _made()
except Exception:
    import json

    loads, dumps = json.loads, json.dumps
