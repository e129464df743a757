"""Remove secrets from texts that people see outside the bridge: first known values, then known shapes.

This is the only list of shapes: exports and logs both use it.
"""

import json
import re
from collections.abc import Iterable

MARK = "[redacted]"

_SHAPES = re.compile(
    r"sk-ant-[A-Za-z0-9_-]{8,}"  # Anthropic
    r"|sk-[A-Za-z0-9_-]{20,}"  # OpenAI and its like
    r"|[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"  # Stripe
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}"  # GitHub
    r"|glpat-[A-Za-z0-9_-]{20,}"  # GitLab
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}"  # Slack
    r"|A(?:KI|SI)A[0-9A-Z]{16}"  # AWS
    r"|AIza[0-9A-Za-z_-]{35}"  # Google
    r"|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,}|hf_[A-Za-z0-9]{30,}"  # npm, PyPI, Hugging Face
    r"|[A-Za-z0-9_-]{23,28}\.[A-Za-z0-9_-]{6,7}\.[A-Za-z0-9_-]{27,}"  # Discord
    r"|(?<=/api/webhooks/)\d{1,20}/[A-Za-z0-9_-]{20,}"  # Discord's webhooks
    # A JSON Web Token must not begin inside a word: else each place in a long word would search its rest.
    r"|(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    # A key without its end line is redacted to the end of its text or string, so that a JSON line stays JSON.
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[\s\S]{0,8000}?-----END [A-Z ]{0,40}KEY-----|[^\"'<>]*)"
)
# Every repetition is bounded, because a tool's output can be megabytes of anything.
# Values of names like PASSWORD (plural TOKENS are counts) in code, environments, JSON, and JSON within JSON.
_ASSIGNED = re.compile(
    r"(?i)\b([A-Z0-9_]{0,60}(?:PASSWORD|PASSWD|SECRET|TOKEN(?!S)|API_?KEY|PRIVATE_?KEY)[A-Z0-9_]{0,60}(?:\\?[\"'])?"
    r"\s{0,9}[=:]\s{0,9})(?!(?:\\?[\"'])?\[redacted)(?:(\\?[\"'])[^\"'\\\n]{6,}\2|[^\s\"'`,;]{6,})"
)
_BEARER = re.compile(
    r"(?i)\b(Authorization[\"']?\s{0,9}:\s{0,9}[\"']?(?:Bearer|Basic)\s{1,9}|Bearer\s{1,9}(?=[^\s\"']{0,40}\d)"
    r"|Bearer\s{1,9}(?=[A-Z0-9._~+/=-]{16}))[A-Z0-9._~+/=-]{12,}"
)
_IN_URL = re.compile(r"(?i)\b([A-Z][A-Z0-9+.-]{0,20}://[^\s/:@]{0,200}:)(?!\[redacted)[^\s/@]{1,500}(?=@)")
_SHORTEST = 6


class Redactor:
    """Marks secrets in texts. `known` are values that must never be seen, such as the bot's token.

    A known value is found as it is and in JSON's spelling. Values of fewer than six characters are ignored:
    they would be found in any text.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        long_enough = [each for each in known if len(each) >= _SHORTEST]
        spelled = {each for value in long_enough for each in (value, json.dumps(value)[1:-1])}
        values = sorted(spelled, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, values))) if values else None

    def redact(self, text: str) -> str:
        """Return `text` with every recognized secret replaced by a mark."""
        if self._known is not None:
            text = self._known.sub(MARK, text)
        text = _SHAPES.sub(MARK, text)
        text = _IN_URL.sub(rf"\1{MARK}", text)
        text = _BEARER.sub(rf"\1{MARK}", text)
        return _ASSIGNED.sub(lambda found: f"{found[1]}{found[2] or ''}{MARK}{found[2] or ''}", text)
