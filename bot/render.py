"""Render a turn as the posts that should show it. Pure, except that laying out its flow caches posts.

Answers for the lines above and below Claude's words: the prompt's source, the present work, the end of the
turn, and the buttons. Leaves the words themselves to `turn_flow.py` and the asks among them to `asks_cards.py`.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from api.words.asks import worded
from api.words.failures import ended_because
from bot.answer_buttons import Answer, answer_rows
from bot.ask_face import AskFace
from bot.asks_cards import ask_card
from bot.asks_decided import ask_mark
from bot.bodies import Button, Control, Plain, PostWish, Row, Style, Verb
from bot.history import History
from bot.markdown.cards import escape_inline, shortened, todo_line
from bot.subjects import UnitKind, subject_of
from bot.turn_flow import LaidAsk, LaidPost, TurnFlow
from bot.wording import counted, duration, model_name, money, sentence
from sessions.model import (
    AskStatus,
    Deny,
    RevisePlan,
    TurnKind,
    TurnStatus,
    tool_use_of,
)
from sessions.stored import StoredAsk, StoredTurn

MOST_CHARS = 2_000
MOST_LINES_IN_QUEUE = 10
_ROW = 5
_TAIL_CHARS = 95  # a post of text has at most 1,900 characters: both fit into 2,000
_OVER = frozenset(
    {TurnStatus.DONE, TurnStatus.FAILED, TurnStatus.INTERRUPTED, TurnStatus.CUT, TurnStatus.WITHDRAWN}
)
_NO_HISTORY = History(0)
_SHOWN_ALREADY = ("discord:message:", "discord:interaction:")
"""Origins of prompts that the channel shows already: as the message itself, or in the reply to the command."""


class Setting(msgspec.Struct, frozen=True):
    """Facts shared by all posts of a session. Pings go to `owner_id`.

    `last_turn` is the turn that began last; empty if it is not known. `history` is what came from elsewhere.
    """

    session_id: str
    owner_id: int
    default_model: str = ""
    model: str = ""
    work_directory: str = ""
    ping_after_s: float = 30.0
    last_turn: str = ""
    has_ended: bool = False
    goes_on_from: str = ""
    history: History = _NO_HISTORY


class TurnFace(msgspec.Struct, frozen=True):
    """A turn as its posts show it. `waiting` says why a running turn waits; empty if it does not.

    `alternatives` are the turns of its group in order, if there are several. The posts of turn `posts_of` show
    it: the last of the group. `replaced`: the prompt was asked again.
    """

    turn: StoredTurn
    flow: TurnFlow
    asks: Mapping[str, StoredAsk] = msgspec.field(default_factory=dict)
    picked: Mapping[str, Mapping[str, Sequence[str]]] = msgspec.field(default_factory=dict)
    waiting: str = ""
    alternatives: Sequence[str] = ()
    posts_of: str = ""
    replaced: bool = False

    @property
    def subject(self) -> str:
        """The subject of its posts."""
        return subject_of(UnitKind.TURN, self.posts_of or self.turn.id)

    @property
    def over(self) -> bool:
        """Whether the turn has ended."""
        return self.turn.status in _OVER


def render_turn(face: TurnFace, setting: Setting) -> list[PostWish]:
    """Return the posts of a turn and the cards of its asks, in order."""
    # Posts made while it waits would stand before those of turns that run first.
    if face.turn.status in (TurnStatus.QUEUED, TurnStatus.WITHDRAWN):
        return []
    anchored = {call: ask_id for ask_id, ask in face.asks.items() if (call := tool_use_of(ask.ask.body))}
    marks = {tool_use_of(ask.ask.body): mark for ask in face.asks.values() if (mark := ask_mark(ask))}
    laid = list(
        face.flow.lay_out(anchored, marks=marks, over=face.over, without_last_step=_has_line_of_its_own(face))
    )
    is_brought = face.turn.id in setting.history.quoted
    for heading in (_context(face), _heading(face, is_brought=is_brought)):
        if heading:
            laid = _headed(heading, laid)
    subject = face.subject
    wishes: list[PostWish] = []
    posts = 0
    for each in laid:
        match each:
            case LaidPost():
                wishes.append(PostWish(subject, posts, Plain(each.text, (), each.files)))
                posts += 1
            case LaidAsk():
                wishes.append(ask_wish(face.asks[each.ask_id], face, setting))
    return _ended(wishes, posts, face, setting) if face.over else _running(wishes, posts, face, setting)


def _has_line_of_its_own(face: TurnFace) -> bool:
    """Whether the turn ends with a quiet line of its own: a phone shows two of them as one mangled line."""
    if face.over:
        return face.replaced or face.turn.status in (TurnStatus.DONE, TurnStatus.INTERRUPTED)
    return not _is_asking(face) and bool(face.waiting or face.flow.todo)


def _is_asking(face: TurnFace) -> bool:
    return any(ask.status is AskStatus.OPEN for ask in face.asks.values())


def ask_wish(ask: StoredAsk, face: TurnFace | None, setting: Setting) -> PostWish:
    """Return the post of an ask's card."""
    picked = face.picked.get(ask.ask.id, {}) if face is not None else {}
    card = ask_card(AskFace(ask, setting.session_id, setting.owner_id, picked, setting.work_directory))
    return PostWish(
        subject_of(UnitKind.ASK, ask.ask.id),
        0,
        card,
        ping=setting.owner_id if ask.status is AskStatus.OPEN else None,
    )


# --- above ----------------------------------------------------------------------------------------------


def _heading(face: TurnFace, *, is_brought: bool) -> str:
    """Return the line on the prompt or its source; empty if the channel shows the prompt already."""
    turn = face.turn
    prompt = escape_inline(turn.prompt, 200)
    match turn.kind:
        case TurnKind.BACKGROUND:
            return "-# Claude went on by itself: work in the background had news."
        case TurnKind.ELSEWHERE:
            return f"-# From the terminal: {prompt}"
        case TurnKind.COMMAND:
            return f"-# Claude's command {prompt}"
        case _:
            pass
    if turn.alternative_of is not None and not is_brought:
        return "-# Asked again"
    if (turn.origin.startswith(_SHOWN_ALREADY) and not is_brought) or not prompt:
        return ""
    return f"> {prompt}"


def _context(face: TurnFace) -> str:
    """Return the line on what Claude read before the prompt; empty if it read nothing else."""
    return f"-# {escape_inline(face.turn.context, 200)}" if face.turn.context else ""


def _headed(heading: str, laid: list[LaidPost | LaidAsk]) -> list[LaidPost | LaidAsk]:
    first = laid[0] if laid else None
    if isinstance(first, LaidPost) and len(first.text) + len(heading) + 1 + _TAIL_CHARS <= MOST_CHARS:
        return [replace(first, text=f"{heading}\n{first.text}"), *laid[1:]]
    return [LaidPost(heading), *laid]


# --- while it runs --------------------------------------------------------------------------------------


def _running(wishes: list[PostWish], posts: int, face: TurnFace, setting: Setting) -> list[PostWish]:
    """Return the posts so far; the last one also has the state of the work, and Stop."""
    subject = face.subject
    asking = _is_asking(face)
    last_is_post = bool(wishes) and wishes[-1].subject == subject
    # Stop belongs to the end of the turn, so after a decided card it gets a post of its own.
    if not posts or not (last_is_post or asking):
        wishes.append(PostWish(subject, posts, Plain("")))
    place = max(n for n, wish in enumerate(wishes) if wish.subject == subject)
    wish = wishes[place]
    assert isinstance(wish.body, Plain)
    tail = _tail(face, asking=asking, empty=not wish.body.content)
    content = "\n".join(part for part in (wish.body.content, tail) if part)
    stop = Button(Control(Verb.STOP, setting.session_id, face.turn.id), "Stop", Style.DANGER)
    wishes[place] = replace(wish, body=replace(wish.body, content=content, rows=((stop,),)))
    return wishes


def _tail(face: TurnFace, *, asking: bool, empty: bool) -> str:
    if asking:
        # If there is text, the line of the asking step says so already.
        return "-# Waiting for your answer." if empty else ""
    if face.waiting:
        return f"-# {sentence(face.waiting, _TAIL_CHARS - 3)}"
    if face.flow.todo is not None:
        done, total, current = face.flow.todo
        return todo_line(done, total, current, limit=_TAIL_CHARS)
    return "-# Claude is working…" if empty else ""


# --- when it is over ------------------------------------------------------------------------------------


def _ended(wishes: list[PostWish], posts: int, face: TurnFace, setting: Setting) -> list[PostWish]:
    """Return the posts with the closing line and the buttons. After a long turn they are a post that pings."""
    subject = face.subject
    closing = _closing(face, setting)
    rows = _buttons(face, setting)
    last = wishes[-1] if wishes else None
    if _took_long(face, setting) and not face.replaced:
        # A new message, since Discord notifies nobody of an edit.
        content = f"<@{setting.owner_id}> {closing.removeprefix('-# ')}"
        wishes.append(PostWish(subject, posts, Plain(content, rows), ping=setting.owner_id))
    elif last is not None and last.subject == subject and _fits(last.body, closing):
        assert isinstance(last.body, Plain)
        content = "\n".join(part for part in (last.body.content, closing) if part)
        wishes[-1] = replace(last, body=replace(last.body, content=content, rows=rows))
    else:
        wishes.append(PostWish(subject, posts, Plain(closing, rows)))
    return wishes


def _fits(body: object, closing: str) -> bool:
    return isinstance(body, Plain) and len(body.content) + 1 + len(closing) <= MOST_CHARS


def _took_long(face: TurnFace, setting: Setting) -> bool:
    if face.turn.kind is TurnKind.ELSEWHERE or face.turn.id in setting.history.turns:
        return False  # its owner saw it end
    return took_ms(face.turn) > setting.ping_after_s * 1000


def took_ms(turn: StoredTurn) -> int:
    """Return how long the turn took in milliseconds of wall-clock time, waiting for answers included."""
    if turn.started_ms is None or turn.ended_ms is None:
        return turn.duration_ms
    return max(turn.duration_ms, turn.ended_ms - turn.started_ms)


def _closing(face: TurnFace, setting: Setting) -> str:
    if face.replaced:
        return "-# Asked again below; ‹ › there flips between the answers."
    turn = face.turn
    took = duration(took_ms(turn))
    reason = sentence(ended_because(turn), 500)
    match turn.status:
        case TurnStatus.INTERRUPTED:
            return f"-# Stopped after {took}. What was said and done so far is kept."
        case TurnStatus.FAILED:
            return f"**Not finished** after {took}. {reason or 'Try again, or go on.'}"
        case TurnStatus.CUT:
            return f"**Cut off** after {took}. {reason} Continue lets it go on where it was.".replace("  ", " ")
        case _:
            return f"-# {' · '.join(_facts(face, setting, took))}"


def _facts(face: TurnFace, setting: Setting, took: str) -> list[str]:
    if face.turn.kind is TurnKind.ELSEWHERE:
        return ["Done in the terminal"]
    facts = [f"Done in {took}"]
    if face.turn.id == setting.goes_on_from:
        facts.append("the next prompt follows this answer")
    paid_usd = face.turn.cost_usd - face.turn.list_price_usd
    if paid_usd >= 0.00005:  # a subscription's part is a list price: the status line has the limit instead
        facts.append(money(paid_usd))
    if setting.default_model and setting.default_model not in setting.model:
        facts.append(model_name(setting.model))
    if changed := max(len(face.flow.paths), face.turn.changed_files):
        facts.append(f"{counted(changed, 'file')} changed")
    if face.flow.todo is not None:
        done, total, _ = face.flow.todo
        facts.append(f"{done} of {total} to-dos")
    return facts


def _buttons(face: TurnFace, setting: Setting) -> tuple[Row, ...]:
    if face.replaced:
        return ()
    posts_of = face.posts_of or face.turn.id
    return answer_rows(
        Answer(
            turn=face.turn,
            posts_of=posts_of,
            files=max(len(face.flow.files), face.turn.changed_files),
            has_calls=face.flow.calls > 0,
            alternatives=face.alternatives,
            followed=setting.goes_on_from,
            is_last=setting.last_turn in ("", posts_of),
            session_has_ended=setting.has_ended,
        )
    )


# --- before it runs -------------------------------------------------------------------------------------


class AskAhead(msgspec.Struct, frozen=True):
    """An open ask that a prompt waits for. `url` leads to its card; empty until the card is posted."""

    ask: StoredAsk
    url: str


def render_queued(
    turns: Sequence[StoredTurn], ahead: int, waiting: str, setting: Setting, ask: AskAhead | None = None
) -> PostWish:
    """Return the small post of the queued prompts that a person sent in a row, behind `ahead` other prompts."""
    place = {0: "next", 1: "1 prompt comes first"}.get(ahead, f"{ahead} prompts come first")
    why = f" {escape_inline(waiting, 200)}" if waiting else ""
    first, answers = turns[0], list[Button]()
    if ask is not None:
        card = f"[its card]({ask.url})" if ask.url else "its card"
        why += f" Claude waits for an answer to {card}."
        if words := _answer_words(ask.ask):
            answer = Control(Verb.ANSWER_WITH_PROMPT, setting.session_id, ask.ask.ask.id, first.id)
            answers.append(Button(answer, words))
    now = [_button(Verb.SEND_NOW, first, setting, "Send now")] if ahead else []
    content = "\n".join((f"-# Queued: {place}.{why}", *_quoted(turns)))
    rows = _queue_rows(turns, answers, now, setting)
    return PostWish(subject_of(UnitKind.QUEUED, first.id), 0, Plain(content, rows))


def _quoted(turns: Sequence[StoredTurn]) -> Iterator[str]:
    """Yield the beginning of each prompt; with its number if there are several."""
    for number, turn in enumerate(turns[:MOST_LINES_IN_QUEUE], 1):
        prompt = escape_inline(shortened(turn.prompt, 200), 90)
        if len(turns) > 1:
            yield f"> **{number}** {prompt or '(files)'}"
        elif prompt:
            yield f"> {prompt}"
    if len(turns) > MOST_LINES_IN_QUEUE:
        yield f"> … and {len(turns) - MOST_LINES_IN_QUEUE} more"


def _queue_rows(
    turns: Sequence[StoredTurn], answers: Sequence[Button], now: Sequence[Button], setting: Setting
) -> tuple[Row, ...]:
    """Return buttons to cancel each of `turns`, and to send several as one."""
    if len(turns) == 1:
        return ((*answers, _button(Verb.CANCEL_QUEUED, turns[0], setting, "Cancel"), *now),)
    # Two rows at most: phones stack buttons.
    cancels = [
        _button(Verb.CANCEL_QUEUED, turn, setting, f"Cancel {number}")
        for number, turn in enumerate(turns[:MOST_LINES_IN_QUEUE], 1)
    ]
    rows = [tuple(cancels[start : start + _ROW]) for start in range(0, len(cancels), _ROW)]
    all_of_them = ",".join(turn.id for turn in turns)
    join = Control(Verb.JOIN_QUEUED, setting.session_id, turns[0].id, all_of_them)
    return (*rows, (*answers, Button(join, "Send as one"), *now))


def _button(verb: Verb, turn: StoredTurn, setting: Setting, label: str) -> Button:
    return Button(Control(verb, setting.session_id, turn.id), label)


def _answer_words(ask: StoredAsk) -> str:
    """Return the label of the button that answers the ask with a prompt; empty if a prompt cannot answer it."""
    match worded(ask.ask.body, ""):
        case None:
            return ""
        case Deny():
            return "Deny with these words"
        case RevisePlan():
            return "Revise with these words"
        case _:
            return "Answer with these words"
