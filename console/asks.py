"""Answering an ask at the keyboard: its options, and the decision that a key or a typed line makes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace  # noqa: TID251

from api.words.asks import answer_label, offered
from sessions.errors import FormRefused
from sessions.forms import field_value
from sessions.model import (
    Allow,
    Answer,
    ApprovePlan,
    Ask,
    AskBody,
    Decision,
    Deny,
    FieldKind,
    FillForm,
    FormBody,
    FormField,
    PermissionBody,
    PlanBody,
    Question,
    QuestionBody,
    RevisePlan,
)

_YES, _NO = frozenset({"y", "yes"}), frozenset({"n", "no"})
_KEEP_PLANNING = "Keep planning."
_SAY_INSTEAD = "type what Claude shall do instead, then Enter"
_SAY_CHANGES = "type what to change, then Enter"


@dataclass(frozen=True, slots=True)
class Option:
    """One of the answers that an ask offers."""

    label: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class AskForm:
    """An ask while it is being answered: the option under the cursor, ticked options, answers given so far.

    A form begins with the decision to fill it in (`question_number` 0); its fields follow. `trouble` says why
    the last input was not taken.
    """

    ask: Ask
    cursor: int = 0
    ticked: frozenset[int] = frozenset()
    question_number: int = 0
    answers: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    trouble: str = ""

    @property
    def question(self) -> Question | None:
        """The question to answer now, if the ask consists of questions."""
        body = self.ask.body
        if isinstance(body, QuestionBody) and self.question_number < len(body.questions):
            return body.questions[self.question_number]
        return None

    @property
    def asked(self) -> FormField | None:
        """The form's field to fill in now; None in another ask, or before the form is begun."""
        body = self.ask.body
        return (
            body.fields[self.question_number - 1]
            if isinstance(body, FormBody) and self.question_number
            else None
        )

    @property
    def title(self) -> str:
        """The question or field to answer now; empty if the ask is a single decision."""
        if self.question is not None:
            return self.question.text
        if self.asked is None:
            return ""
        described = f": {self.asked.description}" if self.asked.description else ""
        return f"{self.asked.title}{described} ({_expected(self.asked)})"

    @property
    def keys(self) -> str:
        """How the keys answer."""
        if self.asked is not None and not self.asked.choices:
            return "type it, then Enter"
        keys = "digits tick, Enter confirms" if self.takes_many else "a digit or Enter chooses, ↑↓ move"
        return f"{keys}, or type an answer of your own" if self.question is not None else keys

    @property
    def options(self) -> tuple[Option, ...]:
        """The options to choose from; the first has the number 1."""
        body = self.ask.body
        match body:
            case PermissionBody():
                # A refusal is the last answer that `offered` gives, and the only one that takes words.
                options = [Option(answer_label(each, body)) for each in offered(body)]
                return (*options[:-1], replace(options[-1], description=_SAY_INSTEAD))
            case PlanBody():
                options = [Option(answer_label(each, body)) for each in offered(body)]
                return (*options, Option(answer_label(RevisePlan("")), _SAY_CHANGES))
            case QuestionBody():
                choices = self.question.choices if self.question else ()
                return tuple(Option(choice.label, choice.description) for choice in choices)
            case FormBody() if self.asked is not None:
                return _field_options(self.asked)
            case _:
                return tuple(Option(answer_label(each, body)) for each in offered(body))

    @property
    def takes_many(self) -> bool:
        """Whether several options can be ticked and then confirmed with Enter."""
        if self.asked is not None:
            return self.asked.kind is FieldKind.CHOICES
        return self.question is not None and self.question.multi_select

    def moved(self, step: int) -> "AskForm":
        """Return the form with the cursor `step` options further down; it wraps around at both ends."""
        count = len(self.options)
        return replace(self, cursor=(self.cursor + step) % count if count else 0)

    def pressed(self, number: int) -> "AskForm | Decision":
        """Choose the option with the digit `number`, or tick it if several may be chosen."""
        index = number - 1
        # A digit beyond the options chooses nothing: the nearest option could allow a tool.
        if not 0 <= index < len(self.options):
            return self
        if self.takes_many:
            return replace(self, cursor=index, ticked=self.ticked ^ {index})
        return replace(self, cursor=index).entered("")

    def entered(self, text: str) -> "AskForm | Decision":
        """Answer with `text` from the input line; without text, take the option under the cursor."""
        text = text.strip()
        match self.ask.body:
            case PermissionBody() as body:
                return _typed_permission(text) if text else _chosen(self.cursor, body)
            case PlanBody() as body:
                return _typed_plan(text) if text else _chosen(self.cursor, body)
            case QuestionBody() as body:
                return self._answered(text, body)
            case body:
                return self._decided(text, body) if self.asked is None else self._filled(text, self.asked)

    def _answered(self, text: str, body: QuestionBody) -> "AskForm | Decision":
        question = self.question
        if question is None:
            return Answer(dict(self.answers))
        said = text or self._chosen_labels()
        if not said:
            return self
        # Claude Code takes the answers by the text of each question, not by its number.
        answers = {**self.answers, question.text: said}
        # A new form: the ticks and the cursor belong to the question before.
        following = AskForm(self.ask, question_number=self.question_number + 1, answers=answers)
        return following if following.question_number < len(body.questions) else Answer(answers)

    def _decided(self, text: str, body: AskBody) -> "AskForm | Decision":
        """Decide by one of the answers that are offered, or begin to fill the form in."""
        word = text.lower()
        choices = offered(body)
        if word in _NO:
            return Deny()
        if word and word not in _YES:
            more = "; the fields come next" if isinstance(body, FormBody) else ""
            return replace(self, trouble=f"Choose one of these{more}.")
        decision = choices[0] if word else choices[self.cursor]
        # A form without fields has nothing to fill in: this answer is the whole decision.
        begins = isinstance(decision, FillForm) and isinstance(body, FormBody) and body.fields
        return _at_field(AskForm(self.ask), 1) if begins else decision

    def _filled(self, text: str, asked: FormField) -> "AskForm | Decision":
        """Take the input for one field; keep asking for it until the server would accept it."""
        body = self.ask.body
        assert isinstance(body, FormBody)
        given = (text,) if text else self._chosen_values(asked)
        if asked.kind is FieldKind.CHOICES and text:
            given = tuple(part.strip() for part in text.split(",") if part.strip())
        try:
            # Checked here, because the CLI passes any input on to the server without a look (ADR 38).
            field_value(asked, given)
        except FormRefused as error:
            return replace(self, trouble=str(error))
        values = {**self.values, asked.name: given}
        if self.question_number == len(body.fields):
            return FillForm(values)
        return _at_field(replace(self, values=values), self.question_number + 1)

    def _chosen_values(self, asked: FormField) -> tuple[str, ...]:
        """Return the values for Enter without text: the ticked ones, the one at the cursor, or the default."""
        values = [choice.value for choice in asked.choices]
        if self.takes_many:
            return tuple(values[index] for index in sorted(self.ticked))
        # A slice, because the cursor may stand on "Leave it out", one past the last value.
        return tuple(values[self.cursor : self.cursor + 1]) if values else asked.default

    def _chosen_labels(self) -> str:
        labels = [option.label for option in self.options]
        if self.takes_many:
            return ", ".join(labels[index] for index in sorted(self.ticked))
        return labels[self.cursor] if self.cursor < len(labels) else ""


def _at_field(form: AskForm, number: int) -> AskForm:
    """Return the form at field `number`, with the cursor and the ticks on its default."""
    moved = replace(form, question_number=number, cursor=0, ticked=frozenset(), trouble="")
    asked = moved.asked
    choices, default = (asked.choices, asked.default) if asked is not None else ((), ())
    # The first choice of a value counts, so it is put in last.
    places = {choice.value: place for place, choice in reversed(list(enumerate(choices)))}
    at = [places[each] for each in default if each in places]
    return replace(moved, cursor=at[0] if at else 0, ticked=frozenset(at) if moved.takes_many else frozenset())


def _field_options(asked: FormField) -> tuple[Option, ...]:
    options = tuple(Option(choice.label) for choice in asked.choices)
    may_be_empty = options and not asked.is_required and asked.kind is not FieldKind.CHOICES
    return (*options, Option("Leave it out")) if may_be_empty else options


def _expected(asked: FormField) -> str:
    """Return the field's kind, whether it may stay empty, and its default, in words."""
    kinds = {FieldKind.NUMBER: "a number", FieldKind.INTEGER: "a whole number", FieldKind.CHOICES: "several"}
    parts = [kinds[asked.kind]] if asked.kind in kinds else []
    if asked.default and not asked.choices:
        parts.append(f"Enter takes {asked.default[0]}")
    elif asked.is_required or asked.choices:
        parts.append("required" if asked.is_required else "optional")
    else:
        parts.append("Enter leaves it out")
    return ", ".join(parts)


def _typed_permission(text: str) -> Decision:
    word = text.lower()
    if word in _YES:
        return Allow()
    # A typed sentence never allows: whatever is not a plain yes tells Claude what to do instead.
    return Deny() if word in _NO else Deny(text)


def _typed_plan(text: str) -> Decision:
    word = text.lower()
    if word in _YES:
        return ApprovePlan()
    # A plan cannot be refused for good: the CLI takes any refusal as words to plan on with.
    return RevisePlan(_KEEP_PLANNING if word in _NO else text)


def _chosen(index: int, body: PermissionBody | PlanBody) -> Decision:
    choices = offered(body)
    # The option after the offered ones is this terminal's own: to change the plan.
    return choices[index] if index < len(choices) else RevisePlan(_KEEP_PLANNING)
