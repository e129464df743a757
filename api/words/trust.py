"""The meaning of each decision on a project, in words that every face shows."""

from collections.abc import Mapping

from sessions.model import Trust

TRUST_WORDS: Mapping[Trust, str] = {
    Trust.TRUSTED: "trusted: its settings, hooks and servers count",
    Trust.INSTRUCTIONS: "instructions only: its text is read, nothing of it runs",
    Trust.CLOSED: "closed: nothing of it is read by itself",
}
