"""The formats of an export in words: its label, the ending of its file, its media type."""

from collections.abc import Mapping
from dataclasses import dataclass

from sessions.model import ExportFormat


@dataclass(frozen=True, slots=True)
class ExportWords:
    """A format's label, the ending of its files without the dot, and their media type."""

    label: str
    ending: str
    media_type: str


EXPORTS: Mapping[ExportFormat, ExportWords] = {
    ExportFormat.MARKDOWN: ExportWords("Markdown", "md", "text/markdown; charset=utf-8"),
    ExportFormat.HTML: ExportWords("HTML", "html", "text/html; charset=utf-8"),
    ExportFormat.PDF: ExportWords("PDF", "pdf", "application/pdf"),
    ExportFormat.JSON: ExportWords("JSON", "json", "application/json"),
}
"""Each format, in the order in which people are offered them."""


def reading_words() -> str:
    """Return the formats for reading as a list; the remaining one is for bringing a session back."""
    return ", ".join(words.label for form, words in EXPORTS.items() if form is not ExportFormat.JSON)
