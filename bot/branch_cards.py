"""Cards on branches: the list, the changes of one, the preview of a merge. Pure."""

from api import BranchChanges, Branches, BranchInfo, MergePreview, SessionInfo, SetUp
from api.branching import MergeResult
from api.prices import price_mark
from api.words.branches import (
    branch_line,
    changes_lines,
    merge_words,
    message_lines,
    preview_lines,
    set_up_lines,
)
from bot.bodies import Button, Card, Control, PostWish, Row, Style, Verb
from bot.cards import QUIET, WAITING
from bot.markdown.cards import escape_inline, one_line
from bot.subjects import UnitKind, subject_of
from bot.wording import money, sentence
from sessions.events import Noticed
from workdirs.merge_choices import Strategy

SEND, EDIT, DISCARD = "send", "edit", "discard"
ALL_THE_SAME = "all the same"
BY_CLAUDE = "by claude"
_MOST_CHARS = 3_600
_MOST_OF_A_MESSAGE = 1_500
_ALL_CHARS = 3_900
_MOST_BRANCHES = 20
_MOST_PICKS = 5
_LABELS = {Strategy.SQUASH: "Squash", Strategy.MERGE: "Merge commit", Strategy.REBASE: "Rebase"}


def branches_card(branches: Branches) -> Card:
    """Return the card that lists a session's branches."""
    if not branches.branches:
        return Card(("No branch of this session has files of its own. `/branch new` makes one.",), accent=QUIET)
    lines = ["**Branches with files of their own**"]
    lines += [_line(each) for each in branches.branches[:_MOST_BRANCHES]]
    lines.append("-# In the thread of a branch: `/branch compare`, `/branch merge`, `/branch remove`.")
    # Without git a branch is a plain copy: there is nothing to merge into.
    can_merge = [each for each in branches.branches if each.git_branch and each.target]
    picks = tuple(
        Button(Control(Verb.PREVIEW_MERGE, each.session_id, Strategy.SQUASH), f"Pick {each.name}…")
        for each in can_merge[:_MOST_PICKS]
    )
    return Card(("\n".join(lines)[:_MOST_CHARS],), (picks,) if picks else (), accent=QUIET)


def _line(branch: BranchInfo) -> str:
    channel = branch.channel_id.rpartition(":")[2]
    link = f" <#{channel}>" if channel.isdecimal() and not branch.has_ended else ""
    cost = ""
    if branch.cost_usd > 0:
        cost = f", {money(branch.cost_usd)}{price_mark(branch.cost_usd, branch.list_price_usd)}"
    return f"- {escape_inline(branch_line(branch), 200)}{cost}{link}"


def changes_card(changes: BranchChanges) -> Card:
    """Return the card on the files that a branch changed."""
    lines = ["**Changed since this branch began**", *(_escaped(line) for line in changes_lines(changes))]
    return Card(("\n".join(lines)[:_MOST_CHARS],), accent=QUIET)


def merge_card(session_id: str, preview: MergePreview, *, outdated: bool = False) -> Card:
    """Return the card on what a merge would do, with the button that does it if it can land.

    That button carries the digest of the preview and the message of the commit.
    `outdated`: somebody wanted to merge by an earlier preview, and the branch or its target has changed since.
    """
    title = (
        "**Nothing was merged: something changed since that preview. Now it is:**" if outdated else "**Merge**"
    )
    lines = [title, *(_escaped(line) for line in preview_lines(preview))]
    others = tuple(
        Button(Control(Verb.PREVIEW_MERGE, session_id, each), f"{_LABELS[each]}…")
        for each in Strategy
        if each is not preview.strategy
    )
    first: tuple[Button, ...] = ()
    if preview.can_land:
        # A digest has no line end, so the first one ends it. It keeps an outdated preview from being merged.
        detail = f"{preview.digest}\n{preview.message}"
        control = Control(Verb.MERGE_BRANCH, session_id, preview.strategy, detail)
        first = (Button(control, f"Merge ({_LABELS[preview.strategy].lower()})", Style.SUCCESS),)
    elif preview.conflicts:
        control = Control(Verb.RESOLVE_MERGE, session_id, preview.strategy)
        first = (Button(control, "Ask Claude to resolve", Style.PRIMARY),)
    rows: tuple[Row, ...] = ((*first, *others),)
    texts: tuple[str, ...] = ("\n".join(lines)[:_MOST_CHARS],)
    if said := message_lines(preview):
        head, *message = said
        quoted = "\n".join(f"> {escape_inline(line, 400)}" for line in message)
        texts = (texts[0][: _ALL_CHARS - _MOST_OF_A_MESSAGE], f"{head}\n{quoted}"[:_MOST_OF_A_MESSAGE])
        rows = (*rows, _message_buttons(session_id, preview))
    return Card(texts, rows, accent=QUIET if preview.can_land else WAITING)


def _message_buttons(session_id: str, preview: MergePreview) -> Row:
    edit = Control(Verb.MERGE_MESSAGE, session_id, preview.strategy, preview.message)
    buttons = (Button(edit, "Edit the message"),)
    if preview.strategy is not Strategy.SQUASH or preview.by_claude:
        return buttons
    return (*buttons, Button(Control(Verb.PREVIEW_MERGE, session_id, BY_CLAUDE), "Let Claude write it"))


def merged_card(session_id: str, result: MergeResult) -> Card:
    """Return the card after a merge, with the button that takes it back."""
    undo = Button(Control(Verb.UNDO_MERGE, session_id), "Undo")
    return Card((f"Merged: {_escaped(merge_words(result))}",), ((undo,),), accent=QUIET)


def report_card(parent_id: str, text: str, *, by_claude: bool = False) -> Card:
    """Return the card of a report before it is sent to the session `parent_id`.

    `by_claude`: Claude wrote its first part, so a person should look at it.
    """

    def button(does: str, label: str, style: Style = Style.SECONDARY) -> Button:
        return Button(Control(Verb.REPORT, parent_id, does, text), label, style)

    buttons = (button(SEND, "Send", Style.SUCCESS), button(EDIT, "Edit"), button(DISCARD, "Discard"))
    head = "**Report to the session that this branch came from.** Nothing is sent yet."
    if by_claude:
        head += "\n-# Claude wrote the decisions and questions; files and turns are from the record."
    # A quotation wraps its lines on a phone; a code block cuts them.
    lines = (f"> {escape_inline(line, 400)}" for line in text.splitlines())
    return Card((head, "\n".join(lines)[:_MOST_CHARS]), (buttons,), accent=WAITING)


def removal_card(info: SessionInfo) -> Card:
    """Return the card that asks whether a branch is to be removed."""
    text = (
        "**Remove this branch?** Its session ends and its directory goes. Its files stay in a checkpoint, and"
        " its commits under a ref of the repository. With work that is merged nowhere you are asked again."
    )
    remove = Button(Control(Verb.REMOVE_BRANCH, info.id), "Remove the branch", Style.DANGER)
    return Card((text,), ((remove,),), accent=WAITING)


def unmerged_card(session_id: str, why: str) -> Card:
    """Return the card after a removal was refused because the branch has work that is merged nowhere."""
    text = f"**Not removed.** {escape_inline(why, 300)} `/branch merge` merges it."
    remove = Button(
        Control(Verb.REMOVE_BRANCH, session_id, ALL_THE_SAME), "Remove it all the same", Style.DANGER
    )
    return Card((text,), ((remove,),), accent=WAITING)


def own_copy_notice(event: Noticed, number: int, session_id: str) -> PostWish:
    """Return the post on a branch's own copy, with the button that installs its dependencies if it has any."""
    label = f"Run {one_line(event.about, 60)}"
    button = Button(Control(Verb.SET_UP_BRANCH, session_id), label)
    lines = ("**Own copy of the files**", sentence(event.text, 500))
    rows: tuple[Row, ...] = ((button,),) if event.about else ()
    return PostWish(subject_of(UnitKind.NOTICE, number), 0, Card(("\n".join(lines),), rows, accent=QUIET))


def set_up_card(session_id: str, set_up: SetUp, *, changed: bool = False) -> Card:
    """Return the card that asks somebody to agree to the commands that install a branch's dependencies."""
    head = "**Something changed since you looked. Run this now?**" if changed else "**Run this?**"
    label = f"Run {one_line('; '.join(set_up.commands), 60)}"
    agree = Button(Control(Verb.SET_UP_BRANCH, session_id, detail=set_up.digest), label, Style.PRIMARY)
    # Commands and names of files are of tables of ours: nothing in them needs escaping.
    return Card(("\n".join((head, *set_up_lines(set_up))),), ((agree,),), accent=WAITING)


def _escaped(line: str) -> str:
    mark = "- " if line.startswith("- ") else ""
    return mark + escape_inline(line.removeprefix(mark), 220)
