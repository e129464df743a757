"""What is wrong with the settings, as one list of sentences: name, trouble, what to write, where to read on."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dotenv.parser import Binding
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bridge.settings_example import line_numbers, what_to_write

_LONGEST_SHOWN = 40
_TROUBLE = {
    "int_parsing": "is “{value}”, which is not a whole number",
    "int_from_float": "is “{value}”, which is not a whole number",
    "float_parsing": "is “{value}”, which is not a number",
    "finite_number": "is “{value}”, which is not a number",
    "bool_parsing": "is “{value}”, which is neither true nor false",
    "enum": "is “{value}”, which is not a choice",
    "greater_than_equal": "is {value}, which is too small",
    "greater_than": "is {value}, which is too small",
    "less_than_equal": "is {value}, which is too large",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong: the variable's name, what is wrong (follows the name), and what to do."""

    name: str
    trouble: str
    remedy: str
    line: int | None = None

    @property
    def sentence(self) -> str:
        """All of it, for a person."""
        where = f" (.env.example, line {self.line})" if self.line else ""
        return f"{self.name} {self.trouble}. {self.remedy}.{where}"


class SettingsWrong(Exception):
    """The settings cannot be used; the message lists everything wrong, one line each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        lines = "\n".join(f"  - {problem.sentence}" for problem in problems)
        super().__init__(f"These settings are wrong; correct them in .env or the environment:\n{lines}")
        self.problems = tuple(problems)


def invalid_value(details: ErrorDetails, fields: Mapping[str, FieldInfo], secret: frozenset[str]) -> Problem:
    """The problem behind one of pydantic's errors. Values of the fields `secret` are not shown."""
    field = str(details["loc"][0])
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, ValueError):
        trouble = str(cause)
    elif field in secret:
        trouble = "cannot be used"
    else:
        value = str(details["input"])
        shown = value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}…"
        trouble = _TROUBLE.get(details["type"], "is “{value}”, which cannot be used").format(value=shown)
    return at(field, trouble, f"Write {what_to_write(fields[field])}", fields)


def at(field: str, trouble: str, remedy: str, fields: Mapping[str, FieldInfo]) -> Problem:
    """A problem with the setting `field`, with its line in `.env.example`."""
    return Problem(field.upper(), trouble, remedy, line_numbers(fields)[field])


def wrong_lines(bindings: Sequence[Binding], fields: Mapping[str, FieldInfo]) -> list[Problem]:
    """Lines of `.env` that say nothing, and names in it that are almost a setting's."""
    known = {field.upper(): field for field in fields}
    problems: list[Problem] = []
    for binding in bindings:
        name = binding.key
        if binding.error:
            place = f"Line {binding.original.line} of .env"
            problems.append(Problem(place, "cannot be read", "Write NAME=value, or # before a comment"))
        elif name is not None and name.upper() not in known:
            close = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.85)
            if close:
                problems.append(
                    at(known[close[0]], f"is written {name} in .env", "Correct its name there", fields)
                )
    return problems
