"""Shared pages in words: what was taken out, and the page as Markdown."""

from datetime import UTC, datetime

from api.shared_pages import PartKind, SharedDocument, TakenOut


def taken_words(out: TakenOut) -> str:
    """Return a sentence on what was taken out of a page."""
    counts = ((out.secrets, "secret"), (out.paths, "path"), (out.ids, "id"), (out.words, "word"))
    taken = ", ".join(f"{count} {word}{'s' if count != 1 else ''}" for count, word in counts if count)
    return f"Taken out: {taken}." if taken else "Nothing was found to take out. Read it all the same."


def page_markdown(document: SharedDocument) -> str:
    """Return a page as Markdown: the same texts as its readers see."""
    made = datetime.fromtimestamp(document.made_ms / 1000, UTC)
    parts = [f"# {document.title}", f"A conversation with Claude as of {made:%-d %B %Y, %H:%M} UTC"]
    if document.earlier:
        parts.append(f"{document.earlier} earlier turns are left out.")
    for turn in document.turns:
        parts.append(f"## {turn.author}")
        if turn.prompt:
            parts.append("\n".join(f"> {line}" for line in turn.prompt.split("\n")))
        parts += [f"- {name}" for name in turn.files]
        for part in turn.parts:
            if part.kind in (PartKind.TOOL, PartKind.RESULT):
                head = part.label or ("Failed" if part.failed else "Result")
                # Indented and not fenced: the text may have fences of its own.
                parts.append(f"{head}:\n\n" + "\n".join(f"    {line}" for line in part.text.split("\n")))
            else:
                parts.append(part.text)
    return "\n\n".join(parts) + "\n"
