"""Fixed pieces of text that the demo can show, as the deltas in which they are streamed."""

_TABLE = """a table

| Word | Meaning | Count |
| --- | --- | ---: |
| session | work with Claude in a place | 1 |
| turn | one prompt and all that Claude does | 22 |
| ask | a question that Claude waits on | 333 |
"""

_CODE = """some code

```python
def greet(name: str) -> str:
    return f"Hello, {name}; this is the DEMO"


print(greet("you"))
```

[A link](https://example.invalid/demo) follows it.
"""


def _by_line(text: str) -> tuple[str, ...]:
    return tuple(text.splitlines(keepends=True))


SAMPLE_TEXTS: dict[str, tuple[str, ...]] = {
    "table": _by_line(_TABLE),
    "code": _by_line(_CODE),
    # The line and paragraph separators, an emoji cut between two deltas, and half an emoji that stays alone.
    "unicode": (
        "before\u2028after\u2029end, ",
        "smile \ud83d",
        "\ude00 whole, ",
        "half \ud83d",
        " alone, 日本語 עברית",
    ),
}
