"""Names and YAML: any text becomes a slug that is a safe path, and is read back as it was."""

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from archives.names import MAX_SLUG, is_readable_id, project_directory, slug_of
from archives.yaml_text import to_yaml

TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)


@pytest.mark.parametrize(
    ("focus", "slug"),
    [
        ("Auth: login & logout!", "auth-login-logout"),
        ("Größe ändern", "große-andern".replace("ß", "")),
        ("../../etc/passwd", "etc-passwd"),
        ("修复登录", "work"),
        ("🚀", "work"),
        ("-- a --", "a"),
        ("x" * 99, "x" * 40),
        (f"{'a' * 39} b", "a" * 39),
    ],
)
def test_a_focus_becomes_a_slug(focus: str, slug: str) -> None:
    assert slug_of(focus) == slug


@given(TEXTS)
def test_every_focus_gives_a_readable_id_that_is_one_part_of_a_path(focus: str) -> None:
    slug = slug_of(focus)
    assert 1 <= len(slug) <= MAX_SLUG
    assert is_readable_id(f"2026-01-31-session-007-{slug}")


@given(TEXTS, TEXTS)
@example("Web", "web")
@example("a/b", "a-b")
@example("", "project")
def test_different_projects_have_different_directories_also_without_case(one: str, other: str) -> None:
    names = [project_directory(each) for each in (one, other)]
    assert all(name == name.lower() and "/" not in name and not name.startswith(".") for name in names)
    assert (names[0] == names[1]) is (one == other)


HARD = [
    "no",
    "1e3",
    "0o7",
    "12:30",
    "~",
    "",
    " x ",
    "a: b",
    "- a",
    "\u2028\u2029\x85\ufeff",
    "\x00\x1b",
    "🚀é",
    "'\"\\",
    "%",
    "a\r\nb\n",
    "!!x",
    "\ud800",
]


@given(st.lists(TEXTS, max_size=3))
@example(HARD)
def test_two_parsers_read_every_text_back_as_it_was(texts: list[str]) -> None:
    values = {
        "id": "x",
        "texts": texts,
        "nested": {"some": {"deeper": texts}},
        "none": None,
        "number": 1.5,
        "yes": True,
    }
    expected = [each.encode("utf-8", "surrogatepass").decode("utf-8", "replace") for each in texts]
    written = to_yaml(values).encode()
    for read in (YAML(typ="safe", pure=True).load(written), yaml.safe_load(written)):
        assert read["texts"] == read["nested"]["some"]["deeper"] == expected
        assert (read["none"], read["number"], read["yes"]) == (None, 1.5, True)
