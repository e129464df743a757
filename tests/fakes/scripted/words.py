"""Shared parts of the scripted CLI: constants, directives, bytes on stdout, the end with a sentence."""

from __future__ import annotations

import errno
import os
import sys
import time
from _collections_abc import Callable, Generator

from tests.fakes.scripted import quick_json as json

TYPE_CHECKING = False  # `typing`, `re`, `enum` and `collections` would take more than half of a start
if TYPE_CHECKING:
    from typing import Any, NoReturn

signal: Any = __import__("_signal")  # the module `signal` makes enums

Row = dict[str, "Any"]
Ready = Callable[[], bool]
# What a turn waits for, and whether only looking again tells (else the next input line may change it).
Wait = tuple[Ready, bool]
Turn = Generator[Wait, None, None]
Step = tuple[str, str]

VERSION = "2.1.332"
MODEL = "claude-opus-5-5"
SERVER_TOOL = "mcp__asking__ask"
SCREENSHOT_TOOL = "mcp__browser__take_screenshot"
HARMLESS = {"cat", "date", "echo", "false", "ls", "pwd", "sleep", "true", "until"}
TOOLS = ["AskUserQuestion", "Bash", "Edit", "EnterPlanMode", "ExitPlanMode", "Read", "Task", "Write"]
ERRORS = {401: "authentication_failed", 429: "rate_limit", 500: "server_error", 529: "overloaded"}
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
_BEGINNINGS = ("demo:", "cli:")


class Interrupted(Exception):
    """Thrown into a turn: by an interrupt, or by a refusal that says so."""


def new_uuid() -> str:
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())


def write_all(data: bytes) -> None:
    """Print; on a full disk what it does not take is lost, and nobody says so, as with the real CLI."""
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def fail(sentence: str) -> NoReturn:
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()
    os._exit(1)


def parse(text: str) -> list[Step]:
    steps: list[Step] = []
    position = _next_directive(text, 0)
    while position >= 0:
        begun = _end_of_word(text, position)
        word = text[position:begun]
        end = text.find("\n", begun)
        end = len(text) if end < 0 else end
        following = _next_directive(text, begun)
        while (
            0 <= following < end and text[text.index(":", following) + 1] == "-"
        ):  # begins no directive after another
            following = _next_directive(text, following + 1)
        if 0 <= following < end:
            end = following
        argument = text[begun:end].strip()
        position = end
        head = argument.split(" ", 1)[0] + " " if word == "demo:write" else ""
        opened = text.find("{", begun, end) if argument.startswith(f"{head}{{") else -1
        if opened >= 0 and (closed := _closing_brace(text, opened)):
            outside = 0 if word == "demo:elicit" else 1  # its argument is JSON
            argument, position = head + text[opened + outside : closed - outside], closed
        steps.append((word, argument))
        position = _next_directive(text, position)
    return steps


def _next_directive(text: str, start: int) -> int:
    """Return where the first directive at or after `start` begins, or -1 without one."""
    places = [text.find(beginning, start) for beginning in _BEGINNINGS]
    while places := [place for place in places if place >= 0]:
        place = min(places)
        if (place == 0 or text[place - 1].isspace()) and _end_of_word(text, place):
            return place
        places = [text.find(beginning, place + 1) for beginning in _BEGINNINGS]
    return -1


def _end_of_word(text: str, start: int) -> int:
    """Return where the word of the directive at `start` ends; 0 if it has no letters."""
    begun = end = text.index(":", start) + 1
    while end < len(text) and (text[end] in _LETTERS or text[end] == "-"):
        end += 1
    return end if end > begun else 0


def pieces(text: str) -> list[str]:
    """Cut a text into words, each with the white space after it; white space at the beginning is a piece."""
    cuts = [at for at in range(1, len(text)) if text[at - 1].isspace() and not text[at].isspace()]
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True) if end > start]


def _closing_brace(text: str, start: int) -> int:
    """Return the position after the brace that closes the one at `start`, or 0 if it is never closed."""
    depth, at = 0, start
    while (closing := text.find("}", at)) >= 0:
        depth += text.count("{", at, closing) - 1
        at = closing + 1
        if depth == 0:
            return at
    return 0


def number(text: str, default: int) -> int:
    end = 0
    while end < len(text) and text[end].isdecimal():
        end += 1
    return int(text[:end]) if end else default


def rule_content(rule: str) -> str:
    """Return what a rule such as `Bash(touch a *)` is compared by: a beginning of a command, or the tool."""
    _, _, content = rule.partition("(")
    return content.removesuffix(")").removesuffix("*").strip() if content else rule


def _in_work_directory(name: str) -> str:
    return os.path.join(os.getcwd(), name)  # noqa: PTH109, PTH118 (pathlib is slow to load)


def tool_input(word: str, argument: str) -> tuple[str, Row]:
    first, _, rest = argument.partition(" ")
    match word:
        case "demo:bash":
            return "Bash", {"command": argument or "echo DEMO", "description": "Run a DEMO command"}
        case "demo:background":
            return "Bash", {"command": argument or "true", "description": "Run", "run_in_background": True}
        case "demo:screenshot":
            return SCREENSHOT_TOOL, {"file": _in_work_directory(first)}
        case "demo:read":
            return "Read", {"file_path": _in_work_directory(first)}
        case "demo:write":
            return "Write", {"file_path": _in_work_directory(first), "content": rest or "DEMO\n"}
        case "demo:ask-question" if argument.startswith("["):
            return "AskUserQuestion", {"questions": json.loads(argument)}
        case "demo:ask-question":
            options = [{"label": label, "description": f"The way {label}"} for label in ("Left", "Right")]
            question = {
                "question": argument or "Which way?",
                "header": "DEMO",
                "options": options,
                "multiSelect": False,
            }
            return "AskUserQuestion", {"questions": [question]}
        case "demo:elicit":
            return SERVER_TOOL, {}
        case _:
            return "ExitPlanMode", {"plan": f"# DEMO plan\n\n{argument}\n"}
