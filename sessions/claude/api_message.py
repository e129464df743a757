"""The API's own message out of the CLI's words about an error, fit for people who may see the session.

It may name hosts, addresses, accounts, files and keys: what looks like one is left out. For a few errors the
message is all that tells them apart from a wrong request: they have no code of their own.
"""

import re
from enum import StrEnum

from texts.redaction import MARK, Redactor

MOST_CHARS = 200

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
    """What only the message tells."""

    ORGANIZATION_DISABLED = "organization_disabled"
    SPENDING_LIMIT = "spending_limit"
    CONTENT_FILTERED = "content_filtered"
    USAGE_LIMIT = "usage_limit"


_TOLD = {
    Told.ORGANIZATION_DISABLED: re.compile(r"organization has been disabled|disabled organization"),
    Told.SPENDING_LIMIT: re.compile(r"reached your specified API usage limits"),
    # The CLI tells of a limit as an event once, and of each request that meets it in words only.
    Told.USAGE_LIMIT: re.compile(r"^You've hit your "),
    Told.CONTENT_FILTERED: re.compile(r"blocked by content filtering"),
}


def told_by(text: str) -> Told | None:
    """What the message of a refusal says that neither its status nor its kind does."""
    return next((told for told, words in _TOLD.items() if words.search(text[:4000])), None)


def cleaned(text: str) -> str:
    """`text` in one line, without the CLI's own beginning, at most `MOST_CHARS` characters."""
    line = " ".join(text[:4000].split())
    line = line[match.end() :] if (match := _HEAD.match(line)) else line
    line = " ".join(_LEFT_OUT.sub("…", _secrets.redact(line).replace(MARK, "…")).split())
    return line if len(line) <= MOST_CHARS else f"{line[: MOST_CHARS - 1].rstrip()}…"
