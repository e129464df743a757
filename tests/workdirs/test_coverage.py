"""The message of a checkpoint's commit: a bundle may come from anywhere, and so may the message in it."""

import json
from typing import Any

import pytest

from workdirs.coverage import bits_of, from_message, to_message
from workdirs.model import Coverage, EntryMode, FilePath, Uncovered, WhyUncovered


def _message(**fields: Any) -> str:
    return json.dumps({**json.loads(to_message(Coverage())), **fields})


def test_a_message_comes_back_as_it_was_written_with_any_name() -> None:
    odd = FilePath(b"\xff\n")
    coverage = Coverage(
        files=1,
        usual={"100644": 0o640},
        modes={odd: 0o600},
        directories={odd: 0o700},
        uncovered=[Uncovered(odd, WhyUncovered.SPECIAL)],
        moving=[odd],
        nested=[odd],
        excludes={FilePath(b""): "*.swp"},
        is_partial=True,
    )
    assert from_message(to_message(coverage)) == coverage


def test_no_special_bits_come_from_a_message() -> None:
    coverage = from_message(_message(modes={"a": 0o6777}, usual={"100755": 0o4755}))
    assert bits_of(FilePath(b"a"), EntryMode.EXECUTABLE, coverage) == 0o777
    assert bits_of(FilePath(b"b"), EntryMode.EXECUTABLE, coverage) == 0o755


@pytest.mark.parametrize(
    "fields",
    [
        {"modes": {"a": "x"}},
        {"modes": {"a": 1.5}},
        {"modes": {"a": None}},
        {"modes": []},
        {"modes": {"../a": 0o600}},
        {"modes": {"a\0": 0o600}},
        {"modes": {"\ud800": 0o600}},
        {"directories": {"a": "x"}},
        {"directories": {"/a": 0o700}},
        {"usual": {"100644": "x"}},
        {"usual": 1},
        {"files": "many"},
        {"uncovered": [["a"]]},
        {"uncovered": [["a", "unheard of"]]},
        {"moving": [1]},
        {"nested": "a"},
        {"excludes": {"": 1}},
        {"partial": "no"},
        {"version": 2},
    ],
)
def test_a_message_with_a_field_of_another_type_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="checkpoint"):
        from_message(_message(**fields))


def test_a_text_of_another_form_is_refused() -> None:
    for text in ("", "[]", "{}", "{", "[" * 100_000, '{"version": 1}'):
        with pytest.raises(ValueError, match="checkpoint"):
            from_message(text)
