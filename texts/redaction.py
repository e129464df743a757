"""Remove secrets from texts that people see outside the bridge: first known values, then known shapes.

This is the only list of shapes: exports and logs both use it. A line of JSON stays JSON.
"""

import json
import re
from collections.abc import Iterable

MARK = "[redacted]"

_Telling = tuple[tuple[str, ...], re.Pattern[str]]
"""A pattern, and texts of which each match holds one: looking for those first makes most texts cheap."""

# Every repetition is bounded, or can begin at few places: a tool's output can be megabytes of anything.
_SHAPES: tuple[_Telling, ...] = (
    # A key without its end line is redacted to the end of its text or string, so that a JSON line stays JSON.
    (
        ("PRIVATE KEY",),
        re.compile(
            r"-{4,5} ?BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}"
            r"(?:[\s\S]{0,8000}?-{4,5} ?END [A-Z0-9 ]{0,40}KEY(?: BLOCK)? ?-{4,5}"
            r"|(?:[^\"'<>\\]|\\(?!\\{0,31}[\"']))*)"
        ),
    ),
    # The same in Base64, as in a kubeconfig; not a certificate, nor a public key.
    (
        ("LS0tLS1CRUdJTi",),
        re.compile(r"LS0tLS1CRUdJTi(?!BDRVJUSUZJQ0FURS|BQVUJMSUMg)[A-Za-z0-9+/=]{20,}"),
    ),
    # GitHub. An app's token may hold a JSON Web Token.
    (
        ("gh", "github_pat_"),
        re.compile(
            r"ghs_\d{1,20}_eyJ[A-Za-z0-9_.-]{20,}|gh[pousr]_[A-Za-z0-9_]{20,}|github_pat_[A-Za-z0-9_]{20,}"
        ),
    ),
    # A JSON Web Token must not begin inside a word: else each place in a long word would search its rest.
    (
        ("eyJ",),
        re.compile(
            r"(?:(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}|(?<=[_-])eyJ[A-Za-z0-9_-]{8,200})"
            r"\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
        ),
    ),
    # Anthropic; OpenAI and its like
    (("sk-",), re.compile(r"sk-ant-[A-Za-z0-9_-]{8,}|sk-[A-Za-z0-9_-]{20,}")),
    # Stripe
    (("k_live_", "k_test_"), re.compile(r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}")),
    (("whsec_",), re.compile(r"whsec_[A-Za-z0-9+/=]{24,}")),
    # GitLab
    (
        ("gl",),
        re.compile(
            r"gl(?:pat|dt|rtr?|cbt|ptt|ft|imt|agent|soat|oas|ffct)-[A-Za-z0-9_-]{20,}(?:\.[A-Za-z0-9_]{2,20}){0,2}"
        ),
    ),
    # Slack
    (
        ("xox", "xapp-"),
        re.compile(r"xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9%-]{10,}|xapp-[A-Za-z0-9-]{10,}"),
    ),
    (("hooks.slack",), re.compile(r"(?<=hooks\.slack\.com/services/)[A-Za-z0-9/_-]{20,}")),
    # AWS
    (("AKIA", "ASIA"), re.compile(r"A(?:KI|SI)A[0-9A-Z]{16}")),
    # Google
    (
        ("AIza", "ya29.", "GOCSPX-", "1//0"),
        re.compile(
            r"AIza[0-9A-Za-z_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}|1//0[A-Za-z0-9_-]{30,}"
        ),
    ),
    # Azure
    (("Q~",), re.compile(r"(?<=\dQ~)[A-Za-z0-9_~.-]{31,}")),
    # npm, PyPI, Hugging Face
    (
        ("npm_", "pypi-", "hf_"),
        re.compile(r"npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,}|hf_[A-Za-z0-9]{30,}"),
    ),
    # Discord: the token of a bot, and its webhooks
    (
        (".",),
        re.compile(r"[A-Za-z0-9_-]{23,28}\.[A-Za-z0-9_-]{6,7}\.[A-Za-z0-9_-]{27,}"),
    ),
    (("/api/webhooks/",), re.compile(r"(?<=/api/webhooks/)\d{1,20}/[A-Za-z0-9_-]{20,}")),
    # HashiCorp
    (("hvs.", "hvb.", "hvr."), re.compile(r"hv[sbr]\.[A-Za-z0-9_-]{20,}")),
    ((".atlasv1.",), re.compile(r"(?<=\.atlasv1\.)[A-Za-z0-9_-]{40,}")),
    # Docker, DigitalOcean, Linear, Sentry, Shopify, PlanetScale, Supabase, Notion, Groq, Figma, Grafana …
    (
        ("_",),
        re.compile(
            r"(?:dckr_[po]at|do[opr]_v1|lin_(?:api|oauth)|sntry[su]|shp(?:at|ca|pa|ss)|pscale_(?:tkn|pw|oauth)"
            r"|sb_secret|sbp|ntn|gsk|fig[du]|gls?[ac]|rubygems|nfp|r8|bkua|lsv2_(?:pt|sk))_[A-Za-z0-9_-]{20,}"
        ),
    ),
    (
        ("xai-", "pplx-", "tskey-", "PMAK-", "NRAK-", "HRKU-", "sq0"),
        re.compile(r"(?:xai|pplx|tskey-(?:auth|api|client)|PMAK|NRAK|HRKU|sq0(?:atp|csp))-[A-Za-z0-9_-]{20,}"),
    ),
    # Atlassian, Databricks, SendGrid, age, Telegram
    (
        ("ATATT3", "dapi", "SG.", "AGE-SECRET-KEY-1", ":AA"),
        re.compile(
            r"ATATT3[A-Za-z0-9_=-]{30,}|dapi[0-9a-f]{32}|SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,}"
            r"|AGE-SECRET-KEY-1[A-Z0-9]{40,}|(?<!\d)\d{8,10}:AA[A-Za-z0-9_-]{32,}"
        ),
    ),
)
_QUOTE = r"(?:\\{0,7}[\"'])"
"""A quote; with backslashes inside of JSON, with more of them in JSON within JSON."""
_BLANK = rf"(?:[ \t=]{{1,3}}|{_QUOTE},[ \t]{{0,3}}(?={_QUOTE}))"
"""Between an option and its value: also in a list of arguments."""
_NAME = (
    r"(?:PASS(?:WORD|WD|PHRASE|CODE)|SECRET|CREDENTIALS?|TOKEN(?!S)|(?<=[_;])PWD|(?<=_)AUTH(?=\s{0,9}=)"
    r"|(?:API|ACCESS|ACCOUNT|PRIVATE|SIGNING|ENCRYPTION|MASTER|SHARED)[ _-]?KEY)"
)
"""The part of a name that says that its value is a secret. The plural TOKENS are counts."""
_TYPED = r"[ \t]{0,9}(?!\[redacted)[\w.\[\]|]{1,40}[ \t]{1,9}=(?!=)"
# In code, environments, JSON and JSON within JSON. Nothing behind the end of a string is ever taken.
_ASSIGNED = re.compile(
    rf"(?i)(?P<head>{_NAME}[A-Z0-9_-]{{0,60}}+"
    rf"(?:(?P<key>{_QUOTE})?\]?\s{{0,9}}(?:[:!]?={{1,3}}+>?+|:(?!=|{_TYPED})|:{_TYPED})"
    rf"|{_QUOTE}?[,\s]{{1,40}}{_QUOTE}?value(?:{_QUOTE}\s{{0,9}}:(?=\s{{0,9}}{_QUOTE})|\s{{0,9}}[:=]))\s{{0,9}})"
    rf"(?!{_QUOTE}?\[redacted|{_QUOTE}\s{{0,9}}[,:}}\]])(?:"
    r"(?P<in_json>\\{1,7}[\"'])"
    r"(?:[^\"'\\\n]|(?!(?P=in_json)|\\{1,31}\"\s{0,9}[,:}\]])\\{1,31}[^\\\n]|'|\"(?!\s{0,9}[,:}\]])){6,4000}?(?P=in_json)"
    r"|(?P<double>\")(?:[^\"\\\n]|\\[^\n]){6,4000}(?:\"|\Z)"
    r"|(?P<single>')(?:[^'\"\\\n]|\\(?!\\{0,31}\"\s{0,9}[,:}\]])[^\n]|\"(?!\s{0,9}[,:}\]])){6,4000}(?:'|\Z)"
    rf"|(?P<cut>{_QUOTE})?(?(cut)|(?(key)(?!)))(?:[^\s\"'`\\]|\\(?!\\{{0,31}}[\"'])){{6,}}"
    r"|(?(key)(?P<literal>[^\s\"'`,;\\(){}\[\]]{6,})|(?!)))"
)
# In quotes whole, if the quote does not end a string of JSON.
_WHOLE = r"(?<=[\"'])(?![\s,:}\]])[^\"'\\\n]{6,200}(?=\\{0,7}[\"'])"
# Programs that take a password behind a letter. mysql wants nothing between them; its -P is a port.
_BETWEEN = r"[^\n|;&]{0,120}?(?<![\w-])"
_PROGRAMS = (
    *("mysql", "mariadb", "redis", "valkey", "mongo", "sshpass", "login", "ldap", "sqlcmd", "bcp", "zip"),
    *("mosquitto", "7z", "curl", "openssl"),
)
_LETTERED = re.compile(
    rf"((?:\b(?:mysql|mariadb)[\w-]{{0,20}}\b{_BETWEEN}-p(?!\d{{1,5}}(?!\w))"
    rf"|\b(?:redis|valkey)-cli\b{_BETWEEN}-a{_BLANK}"
    rf"|\b(?:mongo[a-z]{{0,12}}|sshpass|(?:docker|podman|buildah|skopeo|registry)[ \t]{{1,3}}login)\b"
    rf"{_BETWEEN}-p{_BLANK}?"
    rf"|\bldap[a-z]{{2,10}}\b{_BETWEEN}-w{_BLANK}?"
    rf"|\b(?:sqlcmd|bcp|zip|unzip|mosquitto_[a-z]{{2,6}})\b{_BETWEEN}-P{_BLANK}?"
    rf"|\b7z[ar]?\b{_BETWEEN}-p"
    rf"|\bcurl\b{_BETWEEN}-[A-Za-z]{{0,6}}u{_BLANK}?(?P<quote>{_QUOTE})?[^\s:\"'/\\]{{1,100}}:"
    rf"|\bopenssl\b{_BETWEEN}-pass(?:in|out)?{_BLANK}{_QUOTE}?pass:"
    rf"){_QUOTE}?)(?!\[redacted|\$)(?:{_WHOLE}|(?(quote)[^\"'\\\n]{{4,200}}|[^\s\"'`\\]{{4,}}))"
)
# Behind an option, a name and a colon for curl, a line of .netrc, ENV of a Dockerfile.
_GIVEN = re.compile(
    rf"(?i)((?:(?<![\w-])--?[A-Z0-9_-]{{0,40}}{_NAME}[ \t]{{1,3}}(?!-|(?:option|parameter|argument|switch)s?\b)"
    r"|(?<![\w-])(?:-u|--(?:proxy-)?user)[ \t=]{1,3}[\"']?[^\s:\"'/]{1,100}:"
    r"|\blogin[ \t]{1,9}\S{1,200}\s{1,9}password[ \t]{1,9}|\bsshpass[ \t]{1,3}-p[ \t]{0,3}"
    rf"|\bENV[ \t]{{1,3}}[A-Z0-9_]{{0,60}}{_NAME}[A-Z0-9_]{{0,60}}[ \t]{{1,3}}"
    rf"){_QUOTE}?)(?!\[redacted|\$)(?:{_WHOLE}|[^\s\"'`\\]{{6,}})"
)
_ELEMENT = re.compile(
    rf"(?i)({_NAME}[\w.:-]{{0,40}}\s{{0,9}}>)(?!\s{{0,9}}\[redacted)[^<>\"'\n]{{6,500}}(?=</)"
)
_SCHEME = r"(?:Bearer|Basic|Token|Api-?Key|Key|OAuth|Negotiate)"
_BEARER = re.compile(
    rf"(?i)(\bAuthorization{_QUOTE}?\s{{0,9}}[:=]\s{{0,9}}{_QUOTE}?(?:{_SCHEME}\s{{1,9}}|(?=[^\s\"']{{0,60}}\d))"
    r"|\bBearer\s{1,9}(?=[^\s\"']{0,40}\d)|\bBearer\s{1,9}(?=[A-Z0-9._~+/=-]{16})"
    rf"|(?<=[\"'])auth{_QUOTE}\s{{0,9}}:\s{{0,9}}{_QUOTE}(?=[A-Z0-9+/=]{{16}})"
    r"|\b(?:X-(?:Amz|Goog)-Signature|Signature|sig)=(?=[A-Z0-9%._~+/=-]{16}))[A-Z0-9._~+/=:%-]{12,}"
)
_COOKIE = re.compile(
    rf"(?i)(\bCookie{_QUOTE}?\s{{0,9}}:\s{{0,9}}{_QUOTE}?[^\s=;\"'\\]{{1,100}}=)(?!\[redacted)[^\n\"'\\]{{4,}}"
)
# A password may hold an @ or a slash. Digits before a slash are the port of an address without a password.
_IN_URL = re.compile(
    r"(?i)\b([A-Z][A-Z0-9+.-]{0,20}://[^\s/:@\"'<>]{0,200}:)(?!\[redacted|\d{1,5}[/?#])[^\s\"'<>\\]{1,500}(?=@)"
    r"|(?<=://)()[A-Z0-9_-]{30,}(?=(?::[^\s/@]{0,100})?@)"
)
# The first group stays.
_LED: tuple[_Telling, ...] = (
    (("://",), _IN_URL),
    (("bearer", "authorization", "auth", "signature", "sig="), _BEARER),
    (("cookie",), _COOKIE),
    (_PROGRAMS, _LETTERED),
    (("--", "-u", "login", "sshpass", "env"), _GIVEN),
    (("</",), _ELEMENT),
)
_NAME_TELLS = ("pass", "secret", "credential", "token", "key", "pwd", "_auth")
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
        for telling, pattern in _SHAPES:
            if _has_one(text, telling):
                text = pattern.sub(MARK, text)
        lower = text.lower()
        for telling, pattern in _LED:
            if _has_one(lower, telling):
                text = pattern.sub(rf"\g<1>{MARK}", text)
        return _ASSIGNED.sub(_assigned, text) if _has_one(lower, _NAME_TELLS) else text


def _has_one(text: str, telling: tuple[str, ...]) -> bool:
    return any(map(text.__contains__, telling))


def _assigned(found: re.Match[str]) -> str:
    parts = found.groupdict()
    around = parts["in_json"] or parts["double"] or parts["single"] or ""
    if parts["literal"]:
        # JSON has no bare words: what stood there becomes a string.
        around = parts["key"] if len(parts["key"]) % 2 == 0 else parts["key"][-1]
    return f"{parts['head']}{parts['cut'] or around}{MARK}{around}"
