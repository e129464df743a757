"""Draws printed things as text with ANSI styles. Pure.

Text from Claude, tools and people goes through `text.clean`: only the styles made here reach the terminal.
"""

import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, assert_never

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markdown import Heading, Markdown, MarkdownElement
from rich.padding import Padding
from rich.text import Text as Styled
from rich.theme import Theme

from api import FoundPlaces, PermissionRule, PromptTemplate, SessionInfo
from api.prices import price_mark
from api.words.asks import FORM_WARNING, asked_texts, asking_words, decided_words, note_of, title_words
from api.words.failures import ended_because
from console.printed import (
    AskSettled,
    AskShown,
    NoticeShown,
    PromptShown,
    Shown,
    TextShown,
    ThoughtShown,
    ToolShown,
    TurnOver,
)
from console.text import clean, one_line
from console.tools import tool_name
from sessions.model import (
    Answer,
    ApprovePlan,
    Ask,
    Decision,
    Deny,
    FillForm,
    FormBody,
    LinkBody,
    PermissionBody,
    Postpone,
    QuestionBody,
    RevisePlan,
    RuleScope,
    TurnStatus,
)
from texts.unseen import spelled

_THEME = Theme(
    {"markdown.code": "cyan", "markdown.h1": "bold", "markdown.h2": "bold", "markdown.link_url": "cyan"}
)
_STYLES = re.compile(r"(\x1b\[[0-9;]*+m)")

_LONGEST_MARKDOWN = 60_000
_LONGEST_TEXT = 400_000
_PROMPT_LINES = 30
_INPUT_LINES = 60
_THOUGHT_LINES = 3


def render(items: Sequence[Shown], width: int) -> str:
    """Return `items` as text for a terminal of `width` columns."""
    return "".join(_printed(_item(item), width) for item in items)


def render_sessions(sessions: Sequence[SessionInfo], current: str, width: int) -> str:
    """Return the numbered list that `/sessions` prints."""
    if not sessions:
        return _printed(Styled("There are no sessions yet.", "dim"), width)
    lines = []
    for number, info in enumerate(sessions, start=1):
        mark, style = ("▸", "bold") if info.id == current else (" ", "")
        title = one_line(info.title, max(20, width - 40)) or "no title"
        line = Styled(f"{mark}{number:>3}  {info.list_mark}{title}", style)
        line.append(f"  {state_words(info)}", "cyan")
        line.append(f"  {info.id[:13]}", "dim")
        lines.append(line)
    return _printed(Group(*lines), width)


def render_templates(templates: Sequence[PromptTemplate], width: int) -> str:
    """Return the list that `/templates` prints."""
    if not templates:
        return _printed(
            Styled("There are no templates yet. /template-keep NAME | TEXT keeps one.", "dim"), width
        )
    lines = []
    for each in templates:
        line = Styled(f"  {one_line(each.name, 40)}", "bold")
        line.append(f"  {' '.join(f'{{{place}}}' for place in each.places)}", "cyan")
        line.append(f"  {one_line(each.text, max(20, width - 50))}", "dim")
        lines.append(line)
    return _printed(Group(*lines), width)


def render_places(found: FoundPlaces, width: int) -> str:
    """Return the numbered list that `/search` prints, with the words marked."""
    lines = []
    for number, place in enumerate(found.places, start=1):
        title = one_line(place.title, max(20, width - 40)) or "no title"
        lines.append(Styled(f"{number:>4}  {title}", "bold").append(f"  {place.found_in.value}", "cyan"))
        excerpt = Styled(f"      {clean(place.excerpt)}", "")
        for begin, end in place.marks:
            # By the words and not by their places, because cleaning moves places.
            excerpt.highlight_words([clean(place.excerpt[begin:end])], "reverse")
        lines.append(excerpt)
    if not lines:
        lines.append(Styled("No prompt, answer or tool has all these words.", "dim"))
    if not found.is_complete:
        lines.append(Styled("Older sessions are still being read. Search again in a minute.", "dim"))
    return _printed(Group(*lines), width)


def render_permissions(rules: Sequence[PermissionRule], width: int) -> str:
    """Return the numbered list that `/permissions` prints."""
    if not rules:
        return _printed(Styled("Claude asks for everything that its mode does not allow.", "dim"), width)
    lines = []
    for number, rule in enumerate(rules, start=1):
        where = "in this project" if rule.scope is RuleScope.PROJECT else "in this session"
        line = Styled(f"{number:>3}  {one_line(rule.words, max(20, width - 50))}", "")
        line.append(f"  {where}{', for everybody' if rule.for_all else ''}", "cyan")
        line.append(f"  {rule.given_by}", "dim")
        lines.append(line)
    return _printed(Group(*lines), width)


def render_guide(guide: Mapping[str, str], width: int) -> str:
    """Return the list that `/help` prints."""
    longest = max(map(len, guide))
    lines = [Styled.assemble((f"  {usage:<{longest}}  ", "cyan"), does) for usage, does in guide.items()]
    more = "Enter sends, Alt-Enter begins a new line. Claude's own commands work too, /compact for example."
    return _printed(Group(*lines, Styled(f"  {more}", "dim")), width)


def render_line(text: str, style: str, width: int) -> str:
    """Return a remark of the bridge as a line."""
    return _printed(Styled(clean(text), style), width)


def state_words(info: SessionInfo) -> str:
    """Return a session's state in a few words."""
    return info.activity.value if info.lifecycle.value == "live" else info.lifecycle.value


def _printed(what: RenderableType, width: int) -> str:
    out = io.StringIO()
    # One column less: a line that fills the last column makes some terminals start a new line.
    console = Console(
        file=out,
        # Rich writes into memory here, where it would leave the styles out.
        force_terminal=True,
        # Every terminal has these sixteen, in the person's own theme: text stays readable on light and dark
        # ones.
        color_system="standard",
        width=max(20, width - 1),
        highlight=False,
        theme=_THEME,
    )
    console.print(Group(what))
    *lines, rest = out.getvalue().split("\n")
    return "\n".join([*map(_unfilled, lines), rest])


def _unfilled(line: str) -> str:
    """Return `line` without the spaces with which Rich fills it, because people would copy them along.

    Style switches stay.
    """
    parts = _STYLES.split(line)
    for at in range(len(parts) - 1, -1, -1):
        if not at % 2:  # even parts are text, odd ones are style switches
            parts[at] = parts[at].rstrip(" ")
            if parts[at]:
                break
    return "".join(parts)


def _item(item: Shown) -> RenderableType:
    match item:
        case PromptShown(text=text):
            return _prompt(text)
        case TextShown(text=text):
            return Padding(_markdown(text), (1, 0, 0, 0))
        case ThoughtShown(text=text):
            lines = clean(text).strip().splitlines()
            more = " …" if len(lines) > _THOUGHT_LINES else ""
            return Padding(Styled("\n".join(lines[:_THOUGHT_LINES]) + more, "dim italic"), (1, 0, 0, 2))
        case ToolShown():
            return _tool(item)
        case NoticeShown(text=text, is_trouble=is_trouble):
            mark, style = ("!", "yellow") if is_trouble else ("·", "dim")
            return Styled(f"{mark} {clean(text)}", style)
        case AskShown(ask=ask):
            return _ask(ask)
        case AskSettled():
            return _settled(item)
        case TurnOver():
            return _turn_over(item)
        case _:
            assert_never(item)


def _prompt(text: str) -> RenderableType:
    lines = clean(text).strip("\n").split("\n")
    if len(lines) > _PROMPT_LINES:
        lines = [*lines[:_PROMPT_LINES], f"… ({len(lines) - _PROMPT_LINES} more lines)"]
    body = Styled("\n".join(f"  {line}" for line in lines)[2:], "bold")
    return Padding(Styled.assemble(("❯ ", "bold cyan"), body), (1, 0, 0, 0))


def _tool(shown: ToolShown) -> RenderableType:
    mark, style = {True: ("✓", "green"), False: ("✗", "red"), None: ("–", "yellow")}[shown.succeeded]
    indent = "    " if shown.tool.nested else "  "
    # One line for each tool, so that an answer with a hundred calls can still be read.
    line = Styled(no_wrap=True, overflow="ellipsis")
    line.append(f"{indent}{mark} ", style)
    line.append(shown.tool.name, "bold")
    line.append(f" {shown.tool.words}")
    if shown.added_lines or shown.removed_lines:
        line.append(f"  +{shown.added_lines}", "green").append(f" −{shown.removed_lines}", "red")
    elif shown.output:
        line.append(f"  {shown.output}", "red dim" if shown.succeeded is False else "dim")
    elif shown.succeeded is None:
        line.append("  no result", "dim")
    return line


def _ask(ask: Ask) -> RenderableType:
    match ask.body:
        case PermissionBody() as body:
            head = Styled.assemble(
                ("? ", "bold yellow"), ("Claude wants to use ", ""), (tool_name(body.tool_name), "bold")
            )
            if body.description:
                head.append(f"  {one_line(body.description, 100)}", "dim")
            parts: list[RenderableType] = [head, Padding(_input(body.input), (0, 0, 0, 4))]
            if body.reason:
                parts.append(Styled(f"    {one_line(body.reason, 200)}", "yellow"))
            if body.is_outside:
                parts.append(Styled(f"    Outside of the project: {one_line(body.place, 200)}", "yellow"))
            return Padding(Group(*parts), (1, 0, 0, 0))
        case QuestionBody() as body:
            lines = [
                Styled.assemble(("? ", "bold yellow"), (clean(each.text), "bold")) for each in body.questions
            ]
            return Padding(Group(*lines), (1, 0, 0, 0))
        case FormBody() | LinkBody() as body:
            return _server_ask(body)
        case body:
            head = Styled.assemble(("? ", "bold yellow"), (f"{title_words(body)}:", "bold"))
            texts = _markdown("\n\n".join(asked_texts(body)))
            return Padding(Group(head, Padding(texts, (1, 0, 0, 2))), (1, 0, 0, 0))


def _server_ask(body: FormBody | LinkBody) -> RenderableType:
    head = Styled.assemble(("? ", "bold yellow"), (one_line(asking_words(body), 200), "bold"))
    lines = [Styled(f"    {line}") for line in clean(body.message).splitlines()[:_INPUT_LINES]]
    if isinstance(body, LinkBody):
        # Spelled out in full: the address decides where a person's login goes.
        lines.append(Styled(f"    {spelled(' '.join(body.url.split()))}", "yellow"))
    elif body.fields:
        lines.append(Styled(f"    {FORM_WARNING}", "dim"))
    return Padding(Group(head, *lines), (1, 0, 0, 0))


def _input(arguments: Mapping[str, Any]) -> RenderableType:
    """Return a tool's input, as much as fits: a person who allows a call must see it."""
    lines: list[Styled] = []
    for name, value in arguments.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        # Hidden characters are spelled, not removed: they would run with the command that is allowed. The line
        # ends of Windows are no trick, and would be spelled in each line.
        first, *rest = spelled(text.replace("\r\n", "\n")).split("\n")
        lines.append(Styled.assemble((f"{one_line(name, 40)}: ", "dim"), first))
        lines += [Styled(f"  {line}") for line in rest]
    if len(lines) > _INPUT_LINES:
        left_out = len(lines) - _INPUT_LINES
        # Said loudly: a person who sees half of a command must not take it for all of it.
        lines = [*lines[:_INPUT_LINES], Styled(f"… {left_out} more lines that are not shown", "bold yellow")]
    return Group(*lines)


def _settled(settled: AskSettled) -> RenderableType:
    if settled.decision is None:
        return Styled(f"  – {clean(settled.cause)}", "dim")
    mark, style, words = _decision(settled.decision)
    line = Styled.assemble((f"  {mark} ", style), (words, style))
    return line.append(f"  by {one_line(settled.by, 60)}", "dim") if settled.by else line


def _decision(decision: Decision) -> tuple[str, str, str]:
    if isinstance(decision, Answer):
        return "✓", "green", "; ".join(one_line(answer, 200) for answer in decision.answers.values())
    if isinstance(decision, FillForm) and decision.values:
        given = ", ".join(f"{name}: {', '.join(values)}" for name, values in decision.values.items() if values)
        return "✓", "green", one_line(given, 400)
    if isinstance(decision, Postpone):
        return "–", "yellow", decided_words(decision).lower()
    words, note = decided_words(decision).lower(), note_of(decision)
    if isinstance(decision, ApprovePlan) and decision.accept_edits:
        words += ", edits too"
    refused = isinstance(decision, Deny | RevisePlan)
    mark, style = ("✗", "red") if isinstance(decision, Deny) else ("↺", "yellow") if refused else ("✓", "green")
    return mark, style, f"{words}: {one_line(note, 200)}" if note else words


def _turn_over(over: TurnOver) -> RenderableType:
    ended = over.ended
    facts = [f"{ended.duration_ms / 1000:.1f} s"] if ended.duration_ms else []
    if ended.cost_usd:
        facts.append(f"${ended.cost_usd:.4f}{price_mark(ended.cost_usd, ended.list_price_usd)}")
    tokens = ended.usage.input_tokens + ended.usage.output_tokens
    if tokens:
        facts.append(f"{tokens:,} tokens")
    words, style = _END_WORDS.get(ended.status, (ended.status.value, "dim"))
    line = Styled.assemble(("── ", "dim"), (words, style))
    if facts:
        line.append(f" · {' · '.join(facts)}", "dim")
    reason = ended_because(ended)
    if reason and ended.status is not TurnStatus.DONE:
        return Padding(Group(line, Styled(f"   {clean(reason)}", style)), (1, 0, 0, 0))
    return Padding(line, (1, 0, 0, 0))


_END_WORDS = {
    TurnStatus.DONE: ("done", "dim"),
    TurnStatus.FAILED: ("failed", "red"),
    TurnStatus.INTERRUPTED: ("interrupted", "yellow"),
    TurnStatus.CUT: ("cut off; /continue lets it go on", "yellow"),
}


# --- Markdown ---------------------------------------------------------------------------------------------


class _PlainHeading(Heading):
    """A heading at the left margin; Rich would centre it and box the first level."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.text.justify = "left"
        self.text.stylize("bold underline" if self.tag == "h1" else "bold")
        yield self.text


class _ChatMarkdown(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = {**Markdown.elements, "heading_open": _PlainHeading}


def _markdown(text: str) -> RenderableType:
    """Draw Claude's Markdown with its line breaks; very long text stays unformatted, without its middle."""
    text = clean(text).strip("\n")
    if len(text) > _LONGEST_TEXT:
        half = _LONGEST_TEXT // 2
        left_out = len(text) - 2 * half
        text = f"{text[:half]}\n\n… {left_out:,} characters are not shown here …\n\n{text[-half:]}"
    # Rich takes more than a second of CPU for that much Markdown, and the terminal stands still meanwhile.
    if len(text) > _LONGEST_MARKDOWN:
        return Styled(text)
    # Links show their address: Claude chooses both the label and the target, so the label proves nothing.
    markdown = _ChatMarkdown(text, code_theme="ansi_dark", hyperlinks=False)
    for token in markdown.parsed:
        for child in token.children or ():
            # CommonMark would join the lines of a paragraph; Claude breaks lines where it means to.
            if child.type == "softbreak":
                child.type = "hardbreak"
    return markdown
