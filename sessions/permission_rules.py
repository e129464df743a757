"""Turn a decision into permission rules, and describe a rule to a person. Pure.

The rules are our own rows, which outlive the process (`rule_keeping.py`). The CLI cannot keep them: it writes
rules to the project's settings, which our launch line excludes, and its session rules end with the process.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from sessions.model import (
    AllowAlways,
    AllowSession,
    AskBody,
    Decision,
    PermissionBody,
    Rule,
    RuleKind,
    RuleScope,
    Suggestion,
)
from sessions.work_directory import seen_from

_EDITING = frozenset({"Edit", "MultiEdit", "NotebookEdit", "Write"})


@dataclass(frozen=True, slots=True)
class GivenRules:
    """The rules that a decision gives, and the scope that they hold in."""

    scope: RuleScope
    rules: tuple[Rule, ...]


def rules_given(body: AskBody, decision: Decision) -> GivenRules | None:
    """Return the rules that `decision` on an ask gives besides its answer; None if there are no rules in it."""
    if not isinstance(body, PermissionBody):
        return None
    match decision:
        case AllowSession():
            return GivenRules(RuleScope.SESSION, _for_the_session(body))
        case AllowAlways(number) if 0 <= number < len(body.suggestions):
            suggestion = body.suggestions[number]
            rules = tuple(_rules_of(suggestion))
            is_project = suggestion.body.get("destination") != "session"
            return GivenRules(RuleScope.PROJECT if is_project else RuleScope.SESSION, rules) if rules else None
        case _:
            return None


def _for_the_session(body: PermissionBody) -> tuple[Rule, ...]:
    """All rules that the CLI suggests. Without a suggestion: exactly this command, or the whole tool."""
    suggested = tuple(rule for each in body.suggestions for rule in _rules_of(each))
    directories = [rule.value for rule in suggested if rule.kind is RuleKind.DIRECTORY]
    if directories and body.tool_name in _EDITING and len(directories) == len(suggested):
        # A granted directory alone opens it for reading: each edit there would be asked for again.
        return (*suggested, *(Rule(RuleKind.ALLOW, rule_text("Edit", f"/{each}/**")) for each in directories))
    if suggested:
        return suggested
    command = body.input.get("command")
    content = command if body.tool_name == "Bash" and isinstance(command, str) else ""
    return (Rule(RuleKind.ALLOW, rule_text(body.tool_name, content)),)


def _rules_of(suggestion: Suggestion) -> Iterator[Rule]:
    """The rules in one suggestion of the CLI. A suggested change of the mode contains no rule."""
    body = suggestion.body
    match body.get("type"):
        case "addRules" if body.get("behavior", "allow") == "allow":
            for rule in _mappings(body.get("rules")):
                if isinstance(name := rule.get("toolName"), str) and name:
                    yield Rule(RuleKind.ALLOW, rule_text(name, str(rule.get("ruleContent") or "")))
        case "addDirectories":
            for directory in _sequence(body.get("directories")):
                if isinstance(directory, str) and directory.startswith("/"):
                    yield Rule(RuleKind.DIRECTORY, directory)


def rule_text(tool_name: str, content: str) -> str:
    """Return the rule in the CLI's spelling, with parentheses and backslashes in `content` escaped."""
    if not content:
        return tool_name
    # Backslashes first, or those that are added here would be doubled.
    escaped = content.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
    return f"{tool_name}({escaped})"


def rule_words(rule: Rule, work_directory: str) -> str:
    """Describe the rule to a person. Paths are shown as seen from the work directory, see `seen_from`."""
    if rule.kind is RuleKind.DIRECTORY:
        return f"read and write in {seen_from(work_directory, rule.value)}"
    tool, _, content = rule.value.partition("(")
    content = content.removesuffix(")")
    if not content:
        return f"use {tool}, whatever for"
    plain = content.replace("\\(", "(").replace("\\)", ")").replace("\\\\", "\\")
    # The CLI spells an absolute path in a rule with two slashes.
    if plain.startswith("//"):
        plain = seen_from(work_directory, plain[1:])
    return f"{tool}: {plain}"


def opens_more(rule: Rule, work_directory: str) -> bool:
    """Whether the rule allows anything new. The CLI also suggests directories inside the work directory."""
    return rule.kind is not RuleKind.DIRECTORY or not PurePath(rule.value).is_relative_to(work_directory)


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in _sequence(value) if isinstance(each, Mapping)]


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()
