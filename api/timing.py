"""The command that tells where the time of a turn went."""

from enum import StrEnum

import msgspec

from api.access import Action
from api.command import SessionCommand


class SpanKind(StrEnum):
    """The kind of a span: waiting in line, waking the process, until Claude's first sign, a tool, a person."""

    LINE = "line"
    WAKING = "waking"
    FIRST_SIGN = "first_sign"
    TOOL = "tool"
    PERSON = "person"


class Span(msgspec.Struct, frozen=True):
    """A part of a turn's time, in milliseconds since the turn was asked. `label` says which tool, or who."""

    kind: SpanKind
    from_ms: int
    to_ms: int
    label: str = ""


class TurnTiming(msgspec.Struct, frozen=True):
    """A turn's time, from the prompt to its end or to now. Spans may overlap: a tool waits for a person.

    `cost_usd` is 0 until the turn has ended.
    """

    began_ms: int
    total_ms: int
    has_ended: bool
    cost_usd: float
    list_price_usd: float
    output_tokens: int
    spans: tuple[Span, ...]


class ReadTiming(SessionCommand[TurnTiming], frozen=True, tag="read_timing", kw_only=True):
    """Return the spans of a turn, in the order of their beginnings. Raises `TurnNotFound`."""

    action = Action.VIEW
    reply = TurnTiming
    audited = False
    turn_id: str


TimingCommand = ReadTiming
"""The commands of this file."""
