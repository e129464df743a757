"""The CLI's asks in our form: places as seen from the work directory, and outside only where they are."""

from typing import Any

import pytest

from sessions.claude import lines as c
from sessions.content import ask_body
from sessions.model import PermissionBody

WORK = "/srv/ws/shop"


def asked(tool: str, given: dict[str, Any], **more: Any) -> PermissionBody:
    body = ask_body(c.PermissionAsked("q1", "tool1", tool, given, **more), WORK)
    assert isinstance(body, PermissionBody)
    return body


@pytest.mark.parametrize(
    ("given", "blocked", "place", "is_outside"),
    [
        ({"file_path": f"{WORK}/src/a.py"}, f"{WORK}/src/a.py", "src/a.py", False),
        ({"file_path": f"{WORK}/src/a.py"}, "", "src/a.py", False),
        ({"file_path": "src/a.py"}, "", "src/a.py", False),
        ({"notebook_path": f"{WORK}/a.ipynb"}, "", "a.ipynb", False),
        ({"path": WORK, "pattern": "x"}, WORK, "the work directory", False),
        ({"command": "ls"}, f"{WORK}/src", "src", False),
        ({"command": "ls"}, "", "", False),
        ({"command": "cat"}, "/etc/passwd", "/etc/passwd", True),
        ({"file_path": f"{WORK}/../blog/a.py"}, "", "…/blog/a.py", True),
        ({"file_path": "/srv/ws/shop-two/a.py"}, "", "…/shop-two/a.py", True),
        ({"file_path": "/home/ann/shop/.ssh/id"}, f"{WORK}/x", "…/.ssh/id", True),
        ({"file_path": "~/notes/a.py"}, "", "…/notes/a.py", True),
        ({"file_path": f"{WORK}/a.py"}, "/home/ann/.ssh/id_rsa", "…/.ssh/id_rsa", True),
    ],
)
def test_a_place_is_seen_from_the_work_directory(
    given: dict[str, Any], blocked: str, place: str, is_outside: bool
) -> None:
    body = asked("Write", given, blocked_path=blocked)
    assert (body.place, body.is_outside) == (place, is_outside)


def test_words_for_people_hold_no_path_of_the_machine() -> None:
    suggestions = tuple(
        c.PermissionSuggestion(kind, {"type": kind, "destination": "session", **body})
        for kind, body in (
            (
                "addRules",
                {"behavior": "allow", "rules": [{"toolName": "Read", "ruleContent": f"/{WORK}/src/**"}]},
            ),
            ("addDirectories", {"directories": [f"{WORK}/docs"]}),
        )
    )
    body = asked(
        "Read",
        {"file_path": f"{WORK}/src/a.py"},
        description=f"Read {WORK}/src/a.py",
        reason=f"{WORK}/src/a.py is not allowed yet",
        suggestions=suggestions,
    )
    said = [body.description, body.reason, *(each.words for each in body.suggestions)]
    assert said[:2] == ["Read src/a.py", "src/a.py is not allowed yet"]
    assert not any("/srv" in words for words in said), said
