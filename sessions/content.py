"""Translate the CLI's content into our values: blocks, tool results and the bodies of asks."""

from collections.abc import Mapping
from typing import Any, assert_never

from sessions.claude import lines as c
from sessions.model import (
    AskBody,
    Block,
    Choice,
    FormBody,
    LinkBody,
    Other,
    PermissionBody,
    PlanBody,
    Question,
    QuestionBody,
    Suggestion,
    Text,
    Thinking,
    ToolCall,
    ToolOutput,
)
from sessions.work_directory import is_inside, seen_from

MAX_OUTPUT_CHARS = 100_000
"""A tool's output is stored up to this length; the rest is in Claude's transcript."""


def block_of(block: c.ContentBlock, parent: str | None) -> Block:
    """Return our value for a block that Claude wrote."""
    match block:
        case c.TextBlock():
            return Text(block.text, parent)
        case c.ThinkingBlock():
            return Thinking(block.text, parent)
        case c.ToolUseBlock():
            return ToolCall(block.tool_use_id, block.name, dict(block.input), parent)
        case c.OtherBlock():
            return Other(block.kind, dict(block.body))
        case _:
            assert_never(block)


def tool_output(result: c.ToolResult) -> ToolOutput:
    """Return our value for a tool's result, with the file that the tool changed."""
    text = result.text
    if len(text) > MAX_OUTPUT_CHARS:
        text = f"{text[:MAX_OUTPUT_CHARS]}\n… ({len(result.text) - MAX_OUTPUT_CHARS:,} more characters)"
    path, patch = _changed_file(result.detail or {})
    return ToolOutput(
        tool_use_id=result.tool_use_id,
        text=text,
        is_error=result.is_error,
        paths=(path,) if path else (),
        patch=patch,
        parent=result.parent,
        pictures=result.images,
    )


def _changed_file(detail: Mapping[str, Any]) -> tuple[str, str]:
    """Return the file that a tool wrote and its patch; both empty if the structured result has no patch."""
    path = detail.get("filePath")
    hunks = detail.get("structuredPatch")
    if not isinstance(path, str) or not isinstance(hunks, list):
        return "", ""
    # A new file comes without hunks and with its content. Not `splitlines`, which also splits at U+2028.
    if not hunks and isinstance(detail.get("content"), str):
        return path, "\n".join(f"+{line}" for line in detail["content"].split("\n"))
    return path, "\n".join(_hunk_text(hunk) for hunk in hunks if isinstance(hunk, Mapping))


def _hunk_text(hunk: Mapping[str, Any]) -> str:
    # Nothing promises the shape of a hunk, and none may end the reading.
    head = "@@ -{oldStart},{oldLines} +{newStart},{newLines} @@".format_map(_Numbers(hunk))
    lines = hunk.get("lines")
    return "\n".join([head, *map(str, lines if isinstance(lines, list) else ())])


class _Numbers(dict[str, Any]):
    """A hunk's numbers, 0 where one is missing."""

    def __missing__(self, key: str) -> int:
        return 0


def ask_body(line: c.AskLine, work_directory: str) -> AskBody:
    """Return our value for an ask of the CLI; paths in it are seen from `work_directory`."""
    match line:
        case c.PermissionAsked():
            return _permission(line, work_directory)
        case c.QuestionAsked():
            return QuestionBody(
                tool_use_id=line.tool_use_id,
                questions=tuple(_question(each) for each in line.questions),
                input=dict(line.input),
            )
        case c.PlanAsked():
            return PlanBody(tool_use_id=line.tool_use_id, plan=line.plan, input=dict(line.input))
        case c.FormAsked():
            return FormBody(line.server, line.message, line.fields)
        case c.LinkAsked():
            return LinkBody(line.server, line.message, line.url)
        case _:
            assert_never(line)


def _permission(line: c.PermissionAsked, work_directory: str) -> PermissionBody:
    named = [line.input.get(name) for name in ("file_path", "notebook_path", "path")]
    paths = [path for path in (*named, line.blocked_path) if isinstance(path, str) and path]
    outside = [path for path in paths if not is_inside(work_directory, path)]

    def from_inside(words: str) -> str:
        # Rules spell an absolute path with two slashes.
        return (
            words.replace(f"/{work_directory}/", "").replace(f"{work_directory}/", "")
            if work_directory
            else words
        )

    return PermissionBody(
        tool_name=line.tool_name,
        tool_use_id=line.tool_use_id,
        input=dict(line.input),
        description=from_inside(line.description),
        reason=from_inside(line.reason),
        blocked_path=line.blocked_path,
        suggestions=tuple(
            Suggestion(dict(each.body), from_inside(_suggestion_words(each))) for each in line.suggestions
        ),
        # If one of the paths lies outside, that one is what the person has to decide on.
        place=seen_from(work_directory, [*outside, *paths][0]) if paths else "",
        is_outside=bool(outside),
    )


def _question(question: c.Question) -> Question:
    choices = tuple(Choice(each.label, each.description) for each in question.options)
    return Question(question.text, question.header, choices, question.multi_select)


def declined_words(line: c.ControlRequested) -> str:
    """Return the notice that an MCP server's request for input was declined: no face can ask for such input."""
    keys = ("mcp_server_name", "message")
    server, message = (" ".join(str(line.body.get(key) or "").split()) for key in keys)
    asked = f": “{message[:300]}”" if message else ""
    return (
        f"The MCP server {server or 'of this session'} asked for input{asked}. It was declined, because "
        "this kind of input cannot be given here. Use the server in a terminal, or tell Claude what it needs."
    )


def _suggestion_words(suggestion: c.PermissionSuggestion) -> str:
    """Describe for a person the rule that "always" would add."""
    body = suggestion.body
    where = {"localSettings": "in this project", "userSettings": "everywhere", "session": "in this session"}
    place = where.get(str(body.get("destination")), "from now on")
    if suggestion.kind == "setMode":
        return f"Switch to {body.get('mode')} {place}"
    rules = body.get("rules")
    if suggestion.kind == "addRules" and isinstance(rules, list):
        named = [_rule_words(rule) for rule in rules if isinstance(rule, Mapping)]
        return f"Always {body.get('behavior', 'allow')} {', '.join(named)} {place}"
    directories = body.get("directories")
    if suggestion.kind == "addDirectories" and isinstance(directories, list):
        return f"Give access to {', '.join(map(str, directories))} {place}"
    return f"{suggestion.kind} {place}"


def _rule_words(rule: Mapping[str, Any]) -> str:
    content = rule.get("ruleContent")
    return f"{rule.get('toolName')}({content})" if content else str(rule.get("toolName"))
