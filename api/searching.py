"""The command that searches conversations."""

from enum import StrEnum

import msgspec

from api.access import Action
from api.command import Command
from sessions.model import SessionId, TurnId


class FoundIn(StrEnum):
    """The kind of text in which the words were found."""

    PROMPT = "prompt"
    ANSWER = "answer"
    TOOL = "tool"


class FoundPlace(msgspec.Struct, frozen=True):
    """A text with all the words. `ordinal` is that of the block in its turn; None for the prompt.

    `excerpt` is the text around the first word; `marks` are the words in it, as ranges of its characters.
    """

    session_id: SessionId
    title: str
    project: str
    is_ended: bool
    turn_id: TurnId
    turn_number: int
    ordinal: int | None
    found_in: FoundIn
    at_ms: int
    excerpt: str
    marks: tuple[tuple[int, int], ...]


class FoundPlaces(msgspec.Struct, frozen=True):
    """Places, newest first; `cursor` asks for the next page and is empty on the last one.

    `is_complete` is False while texts from before an upgrade are still missing in the index.
    """

    places: tuple[FoundPlace, ...]
    cursor: str = ""
    is_complete: bool = True


class Search(Command[FoundPlaces], frozen=True, tag="search", kw_only=True):
    """Return the prompts, answers and tool calls with all words of `text`, in sessions that the actor may view.

    Parts of words count, in any case; words in double quotes stay together. Ended sessions are searched too.
    Any text is valid; one without words finds nothing.
    """

    action = Action.LIST
    reply = FoundPlaces
    audited = False
    text: str
    limit: int = 20
    cursor: str = ""


SearchingCommand = Search
"""The commands of this file."""
