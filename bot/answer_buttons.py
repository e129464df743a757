"""The buttons under an answer. The last answer has one row, since phones stack more; *⋯* opens all.

Pure. A button that could only refuse is left out: those for the next prompt stand under the last answer alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from api.words.failures import good_turn_to_branch_from
from bot.bodies import Button, Card, Control, Row, Style, Verb
from sessions.model import TurnKind, TurnStatus
from sessions.stored import StoredTurn


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as its buttons see it. `turn` is the turn in view; the posts of turn `posts_of` show it.

    `alternatives` are the answers to the same prompt in order, if there are several. The next prompt follows
    the answer `followed`; if that is empty, the last of them. `is_last`: no other prompt follows these answers
    so far. `session_has_ended`: no prompt can follow them.
    """

    turn: StoredTurn
    posts_of: str
    files: int = 0
    has_calls: bool = False
    alternatives: Sequence[str] = ()
    followed: str = ""
    is_last: bool = True
    session_has_ended: bool = False

    @property
    def is_followed(self) -> bool:
        """Whether the next prompt comes after the answer in view."""
        return self.turn.id == (self.followed or self.posts_of)

    def button(self, verb: Verb, label: str, style: Style = Style.SECONDARY) -> Button:
        return Button(Control(verb, self.turn.session_id, self.turn.id), label, style)


def answer_rows(answer: Answer) -> tuple[Row, ...]:
    """Return the rows of buttons under the answer in the channel."""
    more = Button(Control(Verb.OPEN_ANSWER, answer.turn.session_id, answer.posts_of), "⋯")
    # Its other buttons concern the next prompt, so most of them could only refuse here.
    if not answer.is_last:
        return ((more,),)
    rows = (_out_of_trouble(answer), (*_most_used(answer), more), _on_alternatives(answer))
    return tuple(row for row in rows if row)


def _most_used(answer: Answer) -> tuple[Button, ...]:
    """Return the buttons that stand in the channel. After a complete answer, people go on by writing."""
    wanted = {Verb.REGENERATE, Verb.FILES}
    if answer.turn.status is not TurnStatus.DONE:
        wanted.add(Verb.CONTINUE)
    both = (*_on_the_conversation(answer), *_on_the_answer(answer))
    return tuple(button for button in both if button.control.verb in wanted)


def opened_answer(answer: Answer) -> Card:
    """Return the card that *⋯* opens, for one person."""
    return Card(("What can be done with this answer:",), all_rows(answer))


def all_rows(answer: Answer) -> tuple[Row, ...]:
    """Return every button that makes sense for the answer."""
    rows = (_out_of_trouble, _on_the_conversation, _on_alternatives, _on_the_answer)
    return tuple(row for make in rows if (row := make(answer)))


def _out_of_trouble(answer: Answer) -> tuple[Button, ...]:
    """A way on if the turn failed so that this conversation cannot continue."""
    failure = answer.turn.failure
    good = good_turn_to_branch_from(failure) if failure is not None else ""
    if not good:
        return ()
    control = Control(Verb.BRANCH, answer.turn.session_id, good)
    return (Button(control, "Branch from the last good turn", Style.PRIMARY),)


def _on_the_conversation(answer: Answer) -> tuple[Button, ...]:
    goes_on = answer.is_last and not answer.session_has_ended
    row = []
    if goes_on:
        style = Style.PRIMARY if answer.turn.status is TurnStatus.CUT else Style.SECONDARY
        row.append(answer.button(Verb.CONTINUE, "Continue", style))
    if goes_on and answer.turn.kind is TurnKind.PROMPT:
        # The turn of the posts, since the one in view may be an earlier alternative.
        control = Control(Verb.REGENERATE, answer.turn.session_id, answer.posts_of)
        row.append(Button(control, "Regenerate"))
    row.append(answer.button(Verb.BRANCH, "Branch"))
    if goes_on:
        row.append(answer.button(Verb.MODEL, "Model"))
    row.append(answer.button(Verb.EXPORT, "Export"))
    return tuple(row)


def _on_alternatives(answer: Answer) -> tuple[Button, ...]:
    row = list(_flips(answer))
    if row and answer.is_last and not answer.session_has_ended and not answer.is_followed:
        row.append(answer.button(Verb.GO_ON_FROM, "Go on from this one"))
    return tuple(row)


def _on_the_answer(answer: Answer) -> tuple[Button, ...]:
    row: list[Button] = []
    if answer.files:
        row.append(answer.button(Verb.FILES, f"Files ({answer.files})"))
    if answer.has_calls:
        row.append(answer.button(Verb.DETAILS, "Details"))
    return tuple(row)


def _flips(answer: Answer) -> Sequence[Button]:
    """Return `‹ 2/3 ›` if there are alternatives; `detail` is the turn that a click shows."""
    turn_id, among = answer.turn.id, answer.alternatives
    if len(among) < 2 or turn_id not in among:
        return ()
    root, here, count = among[0], among.index(turn_id), len(among)

    def flip(label: str, to: int, *, disabled: bool) -> Button:
        # Ids must differ within a message, those of disabled buttons included.
        target = among[to] if not disabled else f"none {label}"
        control = Control(Verb.ALTERNATIVE, answer.turn.session_id, root, target)
        return Button(control, label, disabled=disabled)

    return (
        flip("‹", here - 1, disabled=here == 0),
        flip(f"{here + 1}/{count}", here, disabled=True),
        flip("›", (here + 1) % count, disabled=here == count - 1),
    )
