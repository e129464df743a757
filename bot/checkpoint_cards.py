"""Cards on checkpoints: the list, one checkpoint, changes, the preview of a restore and its result. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime

from api import CheckpointInfo, CheckpointPage, Comparison, RestorePreview, RestoreResult
from api.words.checkpoints import (
    about,
    cautions,
    change_line,
    head_words,
    left_lines,
    preview_words,
    result_words,
    step_lines,
)
from bot.bodies import Button, Card, Control, File, Option, Row, Select, Style, Verb
from bot.cards import WAITING
from bot.markdown.cards import escape_inline, one_line
from bot.wording import moment
from sessions.restore_scope import RestoreScope

CHOOSE = "choose"
OLDER = "older"
SHOW = "show"
COMPARE = "compare"
PREVIEW = "preview"
RESTORE = "restore"
UNDO = "undo"
BRANCH = "branch"
PAGE_SIZE = 15
_MOST_LINES = 20
_MOST_CHARS = 3_300
_PATH = 120


def list_card(session_id: str, page: CheckpointPage) -> Card:
    """Return a page of checkpoints, with a select that opens one."""
    if not page.checkpoints:
        words = (
            "There are none yet. One is taken before each prompt and after each turn, or by /checkpoint take."
        )
        return Card(("**Checkpoints**", words))
    lines = [f"- {moment(each.made_ms)} · {_about(each)}" for each in page.checkpoints]
    options = tuple(Option(one_line(about(each), 90), each.id, _clock(each)) for each in page.checkpoints)
    rows: list[Row] = [
        Select(Control(Verb.CHECKPOINT, session_id, page.checkpoints[0].id, CHOOSE), "Open one", options)
    ]
    if page.cursor:
        rows.append((Button(Control(Verb.CHECKPOINT, session_id, page.cursor, OLDER), "Older"),))
    return Card(("**Checkpoints**", "\n".join(lines)), tuple(rows))


def checkpoint_card(session_id: str, checkpoint: CheckpointInfo) -> Card:
    """Return one checkpoint, with what can be done with it."""
    lines = [f"**Checkpoint** {moment(checkpoint.made_ms)}", _about(checkpoint)]
    lines += [f"-# {sentence}" for sentence in cautions(checkpoint)]
    return Card(("\n".join(lines),), (_acts(session_id, checkpoint.id),))


def changes_card(title: str, comparison: Comparison) -> Card:
    """Return changed files, with the whole text of the changes as a file."""
    if not comparison.total:
        return Card((f"**{title}**", "No file differs."))
    lines = list(_listed((change_line(each) for each in comparison.changes), comparison.total))
    files = (File("changes.diff", comparison.diff.encode()),) if comparison.diff else ()
    if comparison.diff is None:
        lines.append("-# The text of the changes is too long to show.")
    return Card((f"**{title}**", "\n".join(lines)[:_MOST_CHARS]), files=files)


def preview_card(session_id: str, preview: RestorePreview) -> Card:
    """Return what a restore would do, with the button that does it."""
    checkpoint = preview.checkpoint
    lines = [f"**Restore** {moment(checkpoint.made_ms)} · {_about(checkpoint)}", preview_words(preview)]
    total = preview.creates + preview.changes + preview.deletes
    lines += _listed(step_lines(preview, session_id), total)
    lines += _listed(left_lines(preview.left), preview.kept)
    if head := head_words(preview):
        lines.append(f"-# {escape_inline(head, 300)}")
    other = RestoreScope.EVERYTHING if preview.scope is RestoreScope.SESSION else RestoreScope.SESSION
    label = "All files instead" if other is RestoreScope.EVERYTHING else "Only this session's files"
    switch = Button(Control(Verb.CHECKPOINT, session_id, checkpoint.id, f"{PREVIEW} {other}"), label)
    # The digest binds the click to this preview: if files changed since, nothing is restored.
    act = f"{RESTORE} {preview.scope} {preview.digest}"
    files = Button(Control(Verb.CHECKPOINT, session_id, checkpoint.id, act), "Restore", Style.DANGER)
    both = Control(Verb.CHECKPOINT, session_id, checkpoint.id, f"{act} {BRANCH}")
    row = (files, Button(both, "Restore, branch there", Style.DANGER), switch) if total else (switch,)
    return Card(("\n".join(lines)[:_MOST_CHARS],), (row,), accent=WAITING)


def result_card(session_id: str, result: RestoreResult, *, is_undo: bool) -> Card:
    """Return what a restore did, with the button that undoes it."""
    lines = [result_words(result), *_listed(left_lines(result.left), len(result.left))]
    undo = Button(Control(Verb.CHECKPOINT, session_id, result.safety.id, UNDO), "Undo")
    rows: tuple[Row, ...] = () if is_undo or not result.restored else ((undo,),)
    return Card(("\n".join(lines)[:_MOST_CHARS],), rows)


def _acts(session_id: str, checkpoint_id: str) -> Row:
    def button(act: str, label: str, style: Style = Style.SECONDARY) -> Button:
        return Button(Control(Verb.CHECKPOINT, session_id, checkpoint_id, act), label, style)

    preview = f"{PREVIEW} {RestoreScope.AUTO}"
    return (
        button(SHOW, "Show"),
        button(COMPARE, "Compare with now"),
        button(preview, "Restore …"),
        button(BRANCH, "Branch there"),
    )


def _clock(checkpoint: CheckpointInfo) -> str:
    # Discord renders no times in a select, so everybody reads the same clock.
    return datetime.fromtimestamp(checkpoint.made_ms / 1000, UTC).strftime("%d %b %H:%M:%S UTC")


def _about(checkpoint: CheckpointInfo) -> str:
    return escape_inline(about(checkpoint), 200)


def _listed(lines: Iterable[str], total: int) -> list[str]:
    shown = [f"- {escape_inline(line, _PATH)}" for line in list(lines)[:_MOST_LINES]]
    return [*shown, f"- and {total - len(shown)} more"] if total > len(shown) else shown
