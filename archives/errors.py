"""The errors of archives. Each message is a sentence for people."""


class ArchiveError(Exception):
    """The base of all errors of archives."""


class BundleRefused(ArchiveError):
    """A bundle is damaged or hostile. `entry` names the part that is wrong; nothing was written."""

    def __init__(self, entry: str, why: str) -> None:
        self.entry = entry
        super().__init__(f"{shown(entry)}: {why}" if entry else why)


def shown(entry: str) -> str:
    """Return the name of an entry for people: short, and without characters that act."""
    words = "".join(each if each.isprintable() else "\ufffd" for each in entry)
    return words if len(words) <= 120 else f"{words[:119]}…"
