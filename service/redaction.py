"""Taking secrets out of what leaves the bridge for people's eyes: known values first, then known shapes."""

import re
from collections.abc import Iterable

MARK = "[redacted]"

_SHAPES = re.compile(
    r"sk-ant-[A-Za-z0-9_-]{16,}"  # Anthropic
    r"|sk-[A-Za-z0-9_-]{20,}"  # OpenAI and its like
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}"  # GitHub
    r"|glpat-[A-Za-z0-9_-]{20,}"  # GitLab
    r"|xox[abprs]-[A-Za-z0-9-]{10,}"  # Slack
    r"|A(?:KI|SI)A[0-9A-Z]{16}"  # AWS
    r"|AIza[0-9A-Za-z_-]{35}"  # Google
    r"|[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}"  # Discord
    r"|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"  # JSON Web Token
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
)
# Every repetition is bounded: a tool's output can be megabytes of anything.
# Values of telling names (plural tokens are counts), in code, in the environment, in JSON, in JSON in JSON.
_ASSIGNED = re.compile(
    r"(?i)\b([A-Z0-9_]{0,60}(?:PASSWORD|PASSWD|SECRET|TOKEN(?!S)|API_?KEY|PRIVATE_?KEY)[A-Z0-9_]{0,60}(?:\\?[\"'])?"
    r"\s{0,9}[=:]\s{0,9})(?!(?:\\?[\"'])?\[redacted)(?:(\\?[\"'])[^\"'\\\n]{6,}\2|[^\s\"'`,;]{6,})"
)
_BEARER = re.compile(
    r"(?i)\b(Authorization\s{0,9}:\s{0,9}(?:Bearer|Basic)\s{1,9}|Bearer\s{1,9}(?=[^\s\"']{0,40}\d))[A-Z0-9._~+/=-]{12,}"
)
_IN_URL = re.compile(r"(?i)\b([A-Z][A-Z0-9+.-]{0,20}://[^\s/:@]{0,200}:)(?!\[redacted)[^\s/@]{3,500}(?=@)")
_SHORTEST = 6


class Redactor:
    """Marks secrets in texts. `known` are values that must never be seen, such as the bot's token."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        values = sorted({each for each in known if len(each) >= _SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, values))) if values else None

    def redact(self, text: str) -> str:
        """`text` with every secret that is recognized replaced by a mark."""
        if self._known is not None:
            text = self._known.sub(MARK, text)
        text = _SHAPES.sub(MARK, text)
        text = _IN_URL.sub(rf"\1{MARK}", text)
        text = _BEARER.sub(rf"\1{MARK}", text)
        return _ASSIGNED.sub(lambda found: f"{found[1]}{found[2] or ''}{MARK}{found[2] or ''}", text)
