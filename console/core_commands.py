"""The kinds of typed commands that the core carries out, and the answer to a line that is not a command."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import api as c

Said = Callable[[Any], str]
"""Turns the reply into the line to print."""


@dataclass(frozen=True, slots=True)
class OfSession:
    """A command of the API on the open session. `make` gets the session's id and an origin.

    `said` turns the reply into the line to print; an empty line is not printed. `hint` follows a refusal.
    """

    make: Callable[[str, str], c.Command[Any]]
    said: Said = lambda _: ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class OfBridge:
    """A command of the API without a session."""

    command: c.Command[Any]
    said: Said


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """The line is not a valid command; `sentence` says what to type."""

    sentence: str
