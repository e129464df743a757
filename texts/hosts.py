"""Detect deceptive links: the label shows a host that the address does not lead to."""

import re
import unicodedata
from collections.abc import Iterator
from ipaddress import IPv6Address
from urllib.parse import urlsplit

_NAMES_NO_HOST = re.compile(r"(?!(?i:.*localhost))[A-Za-z0-9 ,'()_+*`-]*")
# Marks, and what nobody sees between two letters: narrow spaces and line ends among them.
_MARKS = re.compile(r"[\\*_~|`\u00ad\u2000-\u200f\u2028\u2029\u202f\u205f-\u2064\ufeff]")
_ENTITY = re.compile(r"&#?\w{1,31};")
# Characters that browsers read as a dot in a host's name, and characters that look like one.
_DOTS = str.maketrans(
    dict.fromkeys("\u3002\uff61\uff0e\u2024\ua4f8\ua60e\u06d4\u0701\u0702\u0660\u06f0\U00010a50\U0001d16d", ".")
)
# Letters in circles and squares, and those of flags, which no normal form turns into letters.
_LETTERS = {start + each: chr(97 + each) for start in (0x1F150, 0x1F170, 0x1F1E6) for each in range(26)}
# Categories of marks, invisible characters and pictures within a name.
_OF_NAMES = frozenset({"Mn", "Mc", "Me", "Cf", "So"})
_IPV6 = re.compile(r"(?<![\w:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
# File endings that are not top-level domains: `Node.js` is not a host.
_FILE_ENDINGS = frozenset(
    {
        "js", "jsx", "ts", "tsx", "json", "yaml", "yml", "toml", "txt", "html", "css", "cpp", "hpp", "java",
        "go", "rb", "lock", "ini", "cfg", "xml", "csv", "svg", "png", "jpg", "jpeg", "gif", "pdf", "ipynb",
        "sql", "log",
    }
)  # fmt: skip


def names_another_host(label: str, address: str) -> bool:
    """Return whether a reader may take `label` for a host that `address` does not lead to.

    Finds names in any script, with any marks around or in them. An address with a user name before its host
    counts as deceptive by itself.
    """
    if "@" not in address and _NAMES_NO_HOST.fullmatch(label):
        return False
    target = host_of(address)
    return not target or any(host != target for host in _hosts_named(label))


def host_of(address: str) -> str:
    """Return the host that `address` leads to, as browsers write it, without `www.`; "" if it is unclear."""
    try:
        parts = urlsplit(address)
        return _ascii_host(parts.hostname or "") if "@" not in parts.netloc else ""
    except ValueError:
        return ""


def _hosts_named(label: str) -> Iterator[str]:
    import html  # its table of names takes 0.4 MB

    read = _ENTITY.sub(lambda entity: html.unescape(entity[0]), label)
    visible = unicodedata.normalize("NFKC", _MARKS.sub("", read.translate(_DOTS))).translate(_DOTS)
    visible = visible.translate(_LETTERS)
    for word in _words(visible):
        name, _, ending = word.strip(".-").rpartition(".")
        is_number = name.replace(".", "").isdecimal() and ending.isdecimal() and name.count(".") == 2
        is_name = len(ending) > 1 and not ending.isdecimal() and ending.lower() not in _FILE_ENDINGS
        if word.lower() == "localhost" or (name and (is_number or is_name)):
            yield _ascii_host(word.strip(".-"))
    numbers = _IPV6.findall(visible)
    yield from (_ascii_host(each) for each in numbers if any(sign.isdecimal() for sign in each))
    scheme, rest = visible.partition("://")[1:]
    if scheme and not numbers and not rest[:1].isspace():
        # An address names a host even without a dot. A host that cannot be read is another one.
        yield _ascii_host("".join(_words(rest)[:1]).strip(".-"))


def _words(text: str) -> list[str]:
    """Return the parts of `text` that can be names: marks that nobody sees divide nothing."""
    return "".join(sign if _is_of_a_name(sign) else " " for sign in text).split()


def _is_of_a_name(sign: str) -> bool:
    return sign.isalnum() or sign in "._-" or unicodedata.category(sign) in _OF_NAMES


def _ascii_host(host: str) -> str:
    host = unicodedata.normalize("NFKC", host).casefold().removeprefix("www.").rstrip(".")
    try:
        return str(IPv6Address(host)) if ":" in host else host.encode("idna").decode()
    except ValueError:
        return host
