"""Take the API's own message from the CLI's text about an error, and clean it for people who see the session.

The message may name hosts, addresses, accounts, files and keys: everything that looks like one is left out. A
few errors have no code of their own: only their message distinguishes them from an invalid request.
"""

import re
from enum import StrEnum

from texts.redaction import MARK, Redactor

MOST_CHARS = 200

# Says only that there is no message.
_EMPTY = re.compile(r"\Astatus code \(no body\)\.?")
_HEAD = re.compile(
    r"(?:Error during compaction: )?(?:Failed to authenticate\. )?"
    r"(?:API Error:?(?: Request rejected)?[ ·:]*+(?:\(?\d{3}\)?)?[ ·:]*+)?"
)
_LEFT_OUT = re.compile(
    r"<[^<>]{0,200}>"  # a tag of a proxy's page
    r"|https?://\S+"
    r"|\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?"  # an address
    r"|\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"  # an account
    r"|(?<![\w<])[~.]?(?:/[\w.@+-]{1,100}){2,20}/?"  # a file
    r"|\b(?:sk|req|org|acct)[-_][\w-]{3,}"  # an id of the API's, or a short key
    r"|\b(?=[A-Za-z-]{0,40}\d)[\w-]{24,}"  # other long names with digits
)


_secrets = Redactor()


class Told(StrEnum):
    """The errors that only the message distinguishes."""

    ORGANIZATION_DISABLED = "organization_disabled"
    SPENDING_LIMIT = "spending_limit"
    CONTENT_FILTERED = "content_filtered"
    USAGE_LIMIT = "usage_limit"


_TOLD = {
    Told.ORGANIZATION_DISABLED: re.compile(r"organization has been disabled|disabled organization"),
    Told.SPENDING_LIMIT: re.compile(r"reached your specified (?:\w{1,20} )?API usage limits"),
    # The CLI reports a limit once as an event. For each later request that meets it, there is only the message.
    Told.USAGE_LIMIT: re.compile(r"^You've hit your "),
    Told.CONTENT_FILTERED: re.compile(r"blocked by content filtering"),
}


def told_by(text: str) -> Told | None:
    """Return the error that only the message of a refusal names, not its status or kind; else None."""
    # Bounded: the text may be a whole page of a proxy.
    return next((told for told, words in _TOLD.items() if words.search(text[:4000])), None)


def cleaned(text: str) -> str:
    """Return `text` as one line of at most `MOST_CHARS` characters, without the CLI's prefix and secrets."""
    line = " ".join(text[:4000].split())
    line = line[match.end() :] if (match := _HEAD.match(line)) else line
    line = _EMPTY.sub("", line)
    line = " ".join(_LEFT_OUT.sub("…", _secrets.redact(line).replace(MARK, "…")).split())
    return line if len(line) <= MOST_CHARS else f"{line[: MOST_CHARS - 1].rstrip()}…"
