"""Shared parts of the scripted CLI: constants, directives, bytes on stdout, the end with a sentence."""

import errno
import json
import os
import re
import sys
import time
from collections.abc import Callable, Generator
from typing import Any, NoReturn

Row = dict[str, Any]
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
_DIRECTIVE = re.compile(r"(?:(?<=\s)|^)((?:demo|cli):[a-z-]+)([^\n]*?)(?=(?<!\s)\s++(?:demo|cli):[a-z]|\n|$)")


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
    steps, position = [], 0
    while match := _DIRECTIVE.search(text, position):
        position, argument = match.end(), match[2].strip()
        head = argument.split(" ", 1)[0] + " " if match[1] == "demo:write" else ""
        opened = text.find("{", match.start(2), match.end()) if argument.startswith(f"{head}{{") else -1
        if opened >= 0 and (end := _closing_brace(text, opened)):
            outside = 0 if match[1] == "demo:elicit" else 1  # its argument is JSON
            argument, position = head + text[opened + outside : end - outside], end
        steps.append((match[1], argument))
    return steps


def _closing_brace(text: str, start: int) -> int:
    """Return the position after the brace that closes the one at `start`, or 0 if it is never closed."""
    depth = 0
    for brace in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.end()
    return 0


def number(text: str, default: int) -> int:
    match = re.match(r"\d+", text)
    return int(match[0]) if match else default


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
