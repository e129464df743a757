"""Answering an ask at the keyboard: its options, and the decision that a key or a typed line makes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from api.words.asks import answer_label, offered
from sessions.model import (
    Allow,
    Answer,
    ApprovePlan,
    Ask,
    Decision,
    Deny,
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
    """An ask while it is being answered: the option under the cursor, ticked options, answers given so far."""

    ask: Ask
    cursor: int = 0
    ticked: frozenset[int] = frozenset()
    question_number: int = 0
    answers: Mapping[str, str] = field(default_factory=dict)

    @property
    def question(self) -> Question | None:
        """The question to answer now, if the ask consists of questions."""
        body = self.ask.body
        if isinstance(body, QuestionBody) and self.question_number < len(body.questions):
            return body.questions[self.question_number]
        return None

    @property
    def options(self) -> tuple[Option, ...]:
        """The options to choose from; the first has the number 1."""
        body = self.ask.body
        match body:
            case PermissionBody():
                options = [Option(answer_label(each, body)) for each in offered(body)]
                return (*options[:-1], replace(options[-1], description=_SAY_INSTEAD))
            case PlanBody():
                options = [Option(answer_label(each, body)) for each in offered(body)]
                return (*options, Option(answer_label(RevisePlan("")), _SAY_CHANGES))
            case QuestionBody():
                choices = self.question.choices if self.question else ()
                return tuple(Option(choice.label, choice.description) for choice in choices)
            case _:
                assert_never(body)

    @property
    def takes_many(self) -> bool:
        """Whether several options can be ticked and then confirmed with Enter."""
        return self.question is not None and self.question.multi_select

    def moved(self, step: int) -> "AskForm":
        """Return the form with the cursor `step` options further down; it wraps around at both ends."""
        count = len(self.options)
        return replace(self, cursor=(self.cursor + step) % count if count else 0)

    def pressed(self, number: int) -> "AskForm | Decision":
        """Choose the option with the digit `number`, or tick it if several may be chosen."""
        index = number - 1
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

    def _answered(self, text: str, body: QuestionBody) -> "AskForm | Decision":
        question = self.question
        if question is None:
            return Answer(dict(self.answers))
        said = text or self._chosen_labels()
        if not said:
            return self
        answers = {**self.answers, question.text: said}
        following = AskForm(self.ask, question_number=self.question_number + 1, answers=answers)
        return following if following.question_number < len(body.questions) else Answer(answers)

    def _chosen_labels(self) -> str:
        labels = [option.label for option in self.options]
        if self.takes_many:
            return ", ".join(labels[index] for index in sorted(self.ticked))
        return labels[self.cursor] if self.cursor < len(labels) else ""


def _typed_permission(text: str) -> Decision:
    word = text.lower()
    if word in _YES:
        return Allow()
    return Deny() if word in _NO else Deny(text)


def _typed_plan(text: str) -> Decision:
    word = text.lower()
    if word in _YES:
        return ApprovePlan()
    return RevisePlan(_KEEP_PLANNING if word in _NO else text)


def _chosen(index: int, body: PermissionBody | PlanBody) -> Decision:
    choices = offered(body)
    return choices[index] if index < len(choices) else RevisePlan(_KEEP_PLANNING)
