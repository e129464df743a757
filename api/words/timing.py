"""The spans of a turn's time in words."""

from collections.abc import Mapping

from api.timing import Span, SpanKind

_WORDS: Mapping[SpanKind, str] = {
    SpanKind.LINE: "Waiting in line",
    SpanKind.WAKING: "Claude's process wakes",
    SpanKind.FIRST_SIGN: "Until Claude's first sign",
    SpanKind.TOOL: "Tool",
    SpanKind.PERSON: "Waiting for people",
}


def span_words(span: Span) -> str:
    """Return the name of a span for people."""
    if span.kind is SpanKind.TOOL:
        return span.label or _WORDS[span.kind]
    return f"{_WORDS[span.kind]}{f': {span.label}' if span.label else ''}"
