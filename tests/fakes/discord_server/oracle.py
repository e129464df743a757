"""Checks requests and answers against Discord's own OpenAPI document: the fake must not be its own judge."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .request_log import Request

_URI = "urn:discord-openapi"
# discord.py sends these as integers; Discord takes both, its document only strings.
_SNOWFLAKES = re.compile(r"(_id|_ids|^users|^roles|_tags|^messages)$")

# The document lists only replies (0), although it has snapshots of forwards; Discord's guide lists both.
_FORWARD = 1


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where a request of the bot or an answer of the fake differs from the document."""

    side: str
    request: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.side} of {self.request} at {self.where or 'the top'}: {self.message}"


class _Document:
    """The document as it is checked against; `operations` by method and path without the names in braces."""

    def __init__(self, content: dict[str, Any]) -> None:
        # Imported here: many processes start a fake without a document.
        from jsonschema_rs import Registry

        self.operations = _operations(content)
        self._registry = Registry([(_URI, content)])
        self._validators: dict[str, Any] = {}

    def validator(self, pointer: str) -> Any:
        """Check instances of the schema at `pointer`."""
        if pointer not in self._validators:
            from jsonschema_rs import Draft202012Validator

            schema = {"$ref": f"{_URI}#{pointer}"}
            self._validators[pointer] = Draft202012Validator(schema, registry=self._registry)
        return self._validators[pointer]


@cache
def _document(path: Path) -> _Document:
    """Read once in a process: each test has a fake of its own, and all are checked against one document."""
    return _Document(json.loads(path.read_bytes()))


class Oracle:
    """Collects violations. Without a document it checks nothing."""

    def __init__(self, document: Path | None) -> None:
        self.violations: list[Violation] = []
        self.checked = 0
        self._document = _document(document) if document is not None else None

    @property
    def active(self) -> bool:
        return self._document is not None

    def check(self, request: Request) -> None:
        """Compare one finished request; refused requests (4xx) are checked on the answer's side only."""
        if self._document is None:
            return
        self.checked += 1
        key = (request.method, _plain(request.route))
        operation = self._document.operations.get(key)
        if operation is None:
            self._add("request", request, "", "no such operation in the document")
            return
        pointer, body = operation
        if request.accepted:
            self._check_request(request, pointer, body)
        self._check_answer(request, pointer, body)

    def _check_request(self, request: Request, pointer: str, operation: dict[str, Any]) -> None:
        content = operation.get("requestBody", {}).get("content", {})
        if not request.body or "application/json" not in content:
            return
        where = f"{pointer}/requestBody/content/application~1json/schema"
        self._validate("request", request, where, _as_strings(request.body))

    def _check_answer(self, request: Request, pointer: str, operation: dict[str, Any]) -> None:
        status = str(request.status)
        responses = operation["responses"]
        if status not in responses:
            status = "4XX" if status.startswith("4") else status
        if status not in responses:
            self._add("answer", request, "", f"status {request.status} is not in the document")
            return
        if request.answer is None:
            return
        where = f"{pointer}/responses/{status}"
        if "$ref" in responses[status]:
            where = responses[status]["$ref"].removeprefix("#")
        self._validate(
            "answer", request, f"{where}/content/application~1json/schema", _without_details(request.answer)
        )

    def _validate(self, side: str, request: Request, pointer: str, instance: object) -> None:
        assert self._document is not None
        for error in self._document.validator(pointer).iter_errors(instance):
            deepest = _deepest(error)
            where = "/".join(str(step) for step in deepest.instance_path)
            if where.endswith("message_reference/type") and deepest.instance == _FORWARD:
                continue
            self._add(side, request, where, deepest.message[:300])

    def _add(self, side: str, request: Request, where: str, message: str) -> None:
        self.violations.append(Violation(side, request.key, where, message))


def _operations(document: dict[str, Any]) -> dict[tuple[str, str], tuple[str, dict[str, Any]]]:
    found = {}
    for path, methods in document.get("paths", {}).items():
        escaped = path.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
        for method, operation in methods.items():
            if method in ("get", "put", "post", "patch", "delete"):
                found[method.upper(), _plain(path)] = (f"/paths/{escaped}/{method}", operation)
    return found


def _plain(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


def _deepest(error: Any) -> Any:
    """The most telling of the nested errors under an anyOf or oneOf."""
    while branches := getattr(error.kind, "context", None):
        error = max(
            (nested for branch in branches for nested in branch),
            key=lambda one: (len(one.instance_path), one.kind.name != "type"),
        )
    return error


def _as_strings(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        # An attachment's `id` is a snowflake, a component's is a number.
        prefix = "attachment_" if key == "attachments" else ""
        return {name: _as_strings(inner, prefix + name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_as_strings(inner, key) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool) and _SNOWFLAKES.search(key):
        return str(value)
    return value


def _without_details(answer: object) -> object:
    """Field errors carry string codes, which the document calls integers; the rest of the error is checked."""
    if isinstance(answer, dict) and "errors" in answer and "code" in answer:
        return {key: value for key, value in answer.items() if key != "errors"}
    return answer
