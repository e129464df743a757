"""The changing part below the printed text: growing text, running tools, the queue, options, state.

Pure: turns values into prompt_toolkit's (style, text) pairs. The style names are those of `STYLE`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace  # noqa: TID251

from prompt_toolkit.utils import get_cwidth

from api.words.limits import share_words
from api.words.states import State, state_of
from console.asks import AskForm
from console.commands import hints
from console.text import clean, one_line
from console.view import View
from sessions.events import PartialText
from sessions.model import GrowingKind, Lifecycle, PermissionMode

Fragments = list[tuple[str, str]]

STYLE = {
    "dim": "#888888",
    "thought": "#888888 italic",
    "tool": "bold",
    "spinner": "ansicyan",
    "title": "bold",
    "trouble": "ansiyellow",
    "good": "ansigreen",
    "demo": "reverse bold",
    "prompt": "ansicyan bold",
    "cursor": "ansicyan bold",
}
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_SHOWN_TOOLS = 6
_SHOWN_QUEUE = 4


@dataclass(frozen=True, slots=True)
class Growing:
    """The text of a growing block."""

    key: str
    kind: GrowingKind
    text: str


def grown(blocks: tuple[Growing, ...], piece: PartialText) -> tuple[Growing, ...]:
    """Return the growing blocks after `piece`."""
    # The CLI repeats a call whose connection broke: all that it wrote in it comes again.
    if piece.void:
        return ()
    known = {block.key: block for block in blocks}
    block = known.get(piece.key) or Growing(piece.key, piece.kind, "")
    # Put at its place, not appended: a piece from the start replaces what this block had.
    known[piece.key] = replace(block, text=block.text[: piece.start] + piece.added)
    return tuple(known.values())


def without_first(blocks: tuple[Growing, ...], kind: GrowingKind) -> tuple[Growing, ...]:
    """Return the growing blocks without the oldest of this kind, which is complete."""
    # A finished block does not name the growing one; blocks of a kind end in the order of beginning.
    for index, block in enumerate(blocks):
        if block.kind is kind:
            return blocks[:index] + blocks[index + 1 :]
    return blocks


def activity_lines(view: View, blocks: Sequence[Growing], size: tuple[int, int], tick: int) -> Fragments:
    """Draw growing text, running tools and queued prompts on a terminal of `size` (columns, rows)."""
    columns, rows = size
    fragments: Fragments = []
    # At most two blocks are drawn, thinking and text for example: each gets less than half of the screen.
    budget = max(3, rows // 2 - 2)
    for block in blocks[-2:]:
        style = "class:thought" if block.kind is GrowingKind.THINKING else ""
        for line in _last_lines(block.text, columns - 1, budget):
            fragments += [(style, line), ("", "\n")]
    for tool in view.tools[-_SHOWN_TOOLS:]:
        indent = "    " if tool.nested else "  "
        words = one_line(tool.words, max(10, columns - len(tool.name) - 10))
        spin = _SPINNER[tick % len(_SPINNER)]
        fragments += [("class:spinner", f"{indent}{spin} "), ("class:tool", tool.name), ("", f" {words}\n")]
    fragments += _queue_lines(view, columns)
    # A line end after the last line would take an empty line from the screen.
    if fragments and fragments[-1][1].endswith("\n"):
        style, text = fragments.pop()
        if text[:-1]:
            fragments.append((style, text[:-1]))
    return fragments


def _queue_lines(view: View, columns: int) -> Fragments:
    fragments: Fragments = []
    # A prompt that was sent to a process that has ended meanwhile waits again for the next one.
    waiting = [prompt for prompt in view.waiting if not prompt.sent or view.lifecycle is not Lifecycle.LIVE]
    for place, prompt in enumerate(waiting[:_SHOWN_QUEUE], start=1):
        fragments.append(("class:dim", f"  {place}. {one_line(prompt.text, columns - 20)}  (waits)\n"))
    if len(waiting) > _SHOWN_QUEUE:
        fragments.append(("class:dim", f"  … and {len(waiting) - _SHOWN_QUEUE} more prompts wait\n"))
    return fragments


def _last_lines(text: str, width: int, count: int) -> list[str]:
    """Return the last lines of `text`, wrapped hard at `width` columns."""
    # Cut to the visible size first: the text may be megabytes, and this runs several times a second.
    tail = clean(text[-(width * count) :])
    lines = [piece for line in tail.split("\n") for piece in _wrapped(line, width)]
    return lines[-count:]


def _wrapped(line: str, width: int) -> list[str]:
    pieces, begin, used = [], 0, 0
    for index, sign in enumerate(line):
        # Wide signs take two columns, and joiners none. A line that is longer than the terminal would break by
        # itself, and the drawing below it would slip.
        columns = get_cwidth(sign)
        if used + columns > width:
            pieces.append(line[begin:index])
            begin, used = index, 0
        used += columns
    return [*pieces, line[begin:]]


def option_lines(form: AskForm, columns: int) -> Fragments:
    """Draw the options of an ask, one line each, and the help for the keys."""
    fragments: Fragments = []
    if form.title:
        fragments.append(("class:title", f"  {one_line(form.title, columns - 4)}\n"))
    if form.trouble:
        fragments.append(("class:trouble", f"  {one_line(form.trouble, columns - 4)}\n"))
    for index, option in enumerate(form.options):
        at_cursor = index == form.cursor
        mark = "❯" if at_cursor else " "
        tick = ("☑ " if index in form.ticked else "☐ ") if form.takes_many else ""
        label = one_line(option.label, columns - 10)
        fragments.append(("class:cursor" if at_cursor else "", f" {mark} {index + 1}. {tick}{label}"))
        if option.description:
            room = max(10, columns - len(label) - 14)
            fragments.append(("class:dim", f"  {one_line(option.description, room)}"))
        fragments.append(("", "\n"))
    fragments.append(("class:dim", f"   {form.keys}"))
    return fragments


def status_line(view: View | None, typed: str, now_ms: int, *, is_demo: bool) -> Fragments:
    """Draw the last line of the screen."""
    if found := hints(typed):
        return [("class:dim", "  ".join(found))]
    fragments: Fragments = [("class:demo", " DEMO "), ("", " ")] if is_demo else []
    if view is None:
        return [*fragments, ("class:dim", "new session · /help shows what can be typed")]
    style, words = _state(view, now_ms)
    hint = "Ctrl-C stops it" if view.is_busy else "/help"
    fragments += [(style, words), ("class:dim", f" · {hint} · {one_line(view.title, 32) or 'no title'}")]
    facts = [view.model] if view.model else []
    if view.mode is not PermissionMode.DEFAULT:
        facts.append(f"mode {view.mode}")
    if view.context_window and view.context_used:
        facts.append(f"context {view.context_used * 100 // view.context_window} %")
    # Nobody is billed a list price: with a subscription it would look like a debt. Less than half a cent reads
    # $0.00.
    if view.cost_usd - view.list_price_usd >= 0.005:
        facts.append(f"${view.cost_usd - view.list_price_usd:.2f}")
    if share := share_words(view.limit_shares):
        facts.append(share)
    return [*fragments, *(("class:dim", f" · {fact}") for fact in facts)]


def _state(view: View, now_ms: int) -> tuple[str, str]:
    if view.asks:
        return "class:trouble", "? your answer is needed"
    state = state_of(view.lifecycle, view.activity, view.blocker)
    # A prompt that is sent begins the work without an event of the activity.
    if state is State.READY and view.is_busy:
        state = State.WORKING
    style, mark = _MARKS[state]
    is_timed = view.running is not None and view.running_since_ms > 0
    if view.lifecycle is Lifecycle.LIVE and is_timed and state is State.WORKING:
        return style, f"{mark} {state} {max(0, now_ms - view.running_since_ms) // 1000} s"
    return style, f"{mark} {state}{_HINTS.get(state, '')}"


_MARKS = {
    State.QUEUED: ("class:trouble", "◌"),
    State.STARTING: ("class:spinner", "●"),
    State.READY: ("class:good", "○"),
    State.WORKING: ("class:spinner", "●"),
    State.ASKING: ("class:trouble", "?"),
    State.NO_LOGIN: ("class:trouble", "!"),
    State.USAGE_LIMIT: ("class:trouble", "!"),
    State.RETRYING: ("class:trouble", "!"),
    State.NO_PROGRESS: ("class:trouble", "!"),
    State.BLOCKED: ("class:trouble", "!"),
    State.ASLEEP: ("class:good", "○"),
    State.STOPPING: ("class:dim", "◌"),
    State.ENDED: ("class:dim", "■"),
    State.FAILED: ("class:trouble", "!"),
}
_HINTS = {State.ASLEEP: "; a prompt wakes it", State.FAILED: "; a prompt tries again"}
