"""The scripted CLI reads directives without regular expressions, and starts without modules slow to load."""

import subprocess

import pytest

from tests.fakes.cli_home import scripted_command
from tests.fakes.scripted.words import Step, number, parse, pieces


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("nothing", []),
        ("xdemo:text no", []),
        ("demo:", []),
        ("demo:text  two words ", [("demo:text", "two words")]),
        ("first demo:bash ls  cli:exit 3\nmore", [("demo:bash", "ls"), ("cli:exit", "3")]),
        ("demo:text a demo:-b c", [("demo:text", "a demo:-b c")]),
        ("demo:text one\n\u00a0demo:text two", [("demo:text", "one"), ("demo:text", "two")]),
        ("demo:text {a\ndemo:b {x} c} d demo:bash ls", [("demo:text", "a\ndemo:b {x} c"), ("demo:bash", "ls")]),
        ("demo:text {never closed", [("demo:text", "{never closed")]),
        ("demo:write a.py {1\n2}", [("demo:write", "a.py 1\n2")]),
        ('demo:elicit {"a": {}}', [("demo:elicit", '{"a": {}}')]),
        ("demo:text {} x", [("demo:text", "")]),
    ],
)  # fmt: skip
def test_a_prompt_is_read_as_directives(text: str, steps: list[Step]) -> None:
    assert parse(text) == steps


def test_text_comes_in_words_and_numbers_have_a_default() -> None:
    assert pieces(" \na  b c\n") == [" \n", "a  ", "b ", "c\n"]
    assert pieces("") == []
    assert [number(text, 7) for text in ("12 x", "x", "")] == [12, 7, 7]


def test_a_start_loads_none_of_the_modules_that_take_half_of_it() -> None:
    *python, program = scripted_command()
    command = [*python, "-X", "importtime", program, "--version"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    loaded = {line.rpartition("|")[2].strip() for line in told.splitlines()}
    assert "tests.fakes.scripted.process" in loaded
    assert not loaded & {"collections", "contextlib", "enum", "functools", "json", "re", "signal", "typing"}
