"""A label that looks like an address never hides another host."""

import pytest

from bot.markdown.answer import split_answer
from texts.hosts import names_another_host

DECEIVING = {
    "a name": "paypal.de",
    "a country nobody lists": "paypal.nu",
    "bold": "**paypal.de**",
    "code": "`paypal.de`",
    "bold in part": "paypal**.**de",
    "escaped": "paypal\\.de",
    "in words": "open paypal.de now",
    "with a path": "paypal.de/login",
    "with a scheme": "https://paypal.de",
    "with another scheme": "ssh://git.paypal.de",
    "www": "www.paypal",
    "Cyrillic": "пример.рф",
    "Chinese": "例子.中国",
    "Chinese with its own full stop": "例え。テスト",
    "full width": "ｐａｙｐａｌ．ｄｅ",
    "a dot that only looks like one": "paypal\u2024de",
    "parted by something invisible": "pay\u200bpal.\u2060de",
    "in circles": "ⓟⓐⓨⓟⓐⓛ.ⓓⓔ",
    "in black circles": "🅟🅐🅨🅟🅐🅛.🅓🅔",
    "in black squares": "🅿🅰🆈🅿🅰🅻.🅳🅴",
    "with a flag": "paypal.🇩🇪",
    "mathematical": "𝐩𝐚𝐲𝐩𝐚𝐥.𝐝𝐞",
    "a dot of another script": "paypal\ua60ede",
    "a digit that looks like a dot": "paypal\u0660de",
    "a mark that nobody sees in the country": "paypal.d\u034fe",
    "a joiner in the country": "paypal.d\u2069e",
    "Devanagari with vowel signs": "उदाहरण.परीक्षा",
    "the host before a user's name": "evil.example@paypal.de",
    "a number": "93.184.216.34",
    "this machine": "localhost:8080",
    "a name without a dot": "http://intranet/login",
    "a number of IPv6": "[2001:db8::1]:8080",
    "a number of IPv6 in words": "at 2001:db8::1",
    "a picture as a name": "💩.la",
    "parted by a space that is hardly seen": "paypal\u200a.\u2009de",
    "parted by a line that nobody sees": "paypal\u2028.de",
    "the target in its path": "evil.example/paypal.de and paypal.de",
}


@pytest.mark.parametrize("label", DECEIVING.values(), ids=DECEIVING.keys())
@pytest.mark.parametrize("mark", ["", "!"])
def test_a_label_that_names_another_host_stands_beside_the_target(label: str, mark: str) -> None:
    for text in (f"{mark}[{label}](https://evil.example/x)", f"{mark}[{label}](<https://evil.example/x>)"):
        (body,) = split_answer(text, finished=True)
        assert "](" not in body
        assert body.rstrip(")>").endswith("https://evil.example/x")


@pytest.mark.parametrize(
    ("label", "target"),
    [
        ("the docs", "https://docs.python.org"),
        ("python.org", "https://www.python.org/3"),
        ("www.python.org/3", "https://python.org/3"),
        ("https://x.y/z", "https://x.y/z"),
        ("HTTPS://X.Y/z", "https://x.y/z"),
        ("münchen.de", "https://xn--mnchen-3ya.de"),
        ("उदाहरण.परीक्षा", "https://xn--p1b6ci4b4b3a.xn--11b5bs3a9aj6g"),
        ("٢٠٢٦ والسنة", "https://x.org"),
        ("⭐️ new 🇩🇪", "https://x.org"),
        ("Node.js", "https://nodejs.org"),
        ("v3.11.2", "https://python.org"),
        ("e.g. this", "https://x.org"),
        ("localhost:3000", "http://localhost:3000"),
        ("http://intranet/a", "http://intranet/b"),
        ("std::vector, a::b", "https://x.org"),
        ("✅ done. Then 🚀", "https://x.org"),
    ],
)
def test_a_label_that_names_no_other_host_stays_a_link(label: str, target: str) -> None:
    assert split_answer(f"[{label}]({target})", finished=True) == (f"[{label}]({target})",)


def test_a_target_with_a_name_before_its_host_is_shown() -> None:
    assert split_answer("[docs](https://paypal.de@evil.example)", finished=True) == (
        "docs (https://paypal.de@evil.example)",
    )


@pytest.mark.parametrize("label", ["http://[2001:DB8::1]:80/", "2001:db8:0:0::1", "at [2001:db8::1]"])
def test_a_number_of_ipv6_is_the_same_host_in_any_spelling(label: str) -> None:
    assert not names_another_host(label, "http://[2001:db8:0::1]/")
