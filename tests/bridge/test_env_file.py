"""`.env`: values land where a reader looks for them, the rest stays, and nobody else can read it."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.env_file import read_lines, read_text, with_values, write_whole
from bridge.settings_example import example_text


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("", {"A": "1"}, "A=1\n"),
        ("A=0\n# said of A\nB=2\n", {"A": "1"}, "A=1\n# said of A\nB=2\n"),
        ("# what A does\n#A=default\nB=\n", {"A": "1", "B": "2"}, "# what A does\nA=1\nB=2\n"),
        ("A=0\nB=2\nA=5\n", {"A": "1"}, "A=1\nB=2\nA=1\n"),
        ("export A='old value'  # note\nB=2", {"A": "1", "C": "3"}, "A=1\nB=2\nC=3\n"),
        ("A='two\nlines'\nB=2\n", {"A": "1"}, "A=1\nB=2\n"),
        ("\n\nA=0\n\nB=2\n", {"A": "1"}, "\n\nA=1\n\nB=2\n"),
        ("#AB=1\n", {"A": "2"}, "#AB=1\nA=2\n"),
    ],
)
def test_a_value_takes_the_place_of_the_line_that_says_or_shows_it(
    text: str, values: dict[str, str], expected: str
) -> None:
    assert with_values(text, values) == expected


STRANGE = st.text(st.characters(exclude_categories=["Cs"])) | st.text("ab$ {}'\"\\#=\r\n\t\u2028", max_size=12)


@given(STRANGE, STRANGE)
@example("${HOME}", "$HOME")
@example("it's # no comment", "back\\slash")
@example("\\'", "a\r\nb\rc")
@example("${A:-x}", "'quoted'")
def test_any_value_is_read_back_as_it_was(value: str, other: str) -> None:
    text = with_values("B=2\n", {"A": value, "C": other})
    # Changed once more: what is written must not depend on what stood there.
    text = with_values(text, {"B": value})
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / ".env"
        write_whole(path, text)
        assert read_lines(path).values == {"A": value, "B": value, "C": other}
        assert read_text(path) == text


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=${HOUSE}/x", "/home/ann/x"),
        ('A="${HOUSE}/x"', "/home/ann/x"),
        ("A='${HOUSE}/x'", "${HOUSE}/x"),
        ("A=${NOWHERE:-y}/x", "y/x"),
        ("export A = '${HOUSE}'", "${HOUSE}"),
        ("B=${HOUSE}\nA=${B}/x", "/home/ann/x"),
        ("A=$HOUSE", "$HOUSE"),
    ],
)
def test_a_variable_in_braces_counts_except_within_single_quotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, value: str
) -> None:
    monkeypatch.setenv("HOUSE", "/home/ann")
    (tmp_path / ".env").write_text(f"{line}\n")
    assert read_lines(tmp_path / ".env").values["A"] == value


def test_a_name_in_small_letters_is_changed_where_it_stands() -> None:
    assert with_values("data_dir=old\nB=2\n", {"DATA_DIR": "new"}) == "DATA_DIR=new\nB=2\n"


def test_the_example_with_values_in_it_stays_the_example() -> None:
    example = example_text()
    filled = with_values(example, {"DISCORD_TOKEN": "t", "DATA_DIR": "/srv/data"})
    changed = [
        (old, new) for old, new in zip(example.splitlines(), filled.splitlines(), strict=True) if old != new
    ]
    assert changed == [("DISCORD_TOKEN=", "DISCORD_TOKEN=t"), ("#DATA_DIR=data", "DATA_DIR=/srv/data")]


def test_the_file_is_its_users_alone_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    path.chmod(0o644)
    write_whole(path, "A=2\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [".env"]
