"""Commands on shared pages: a conversation as it was at one event, for readers without a login."""

from enum import StrEnum
from typing import Annotated

import msgspec

from api.access import Action
from api.command import Command, Nothing, SessionCommand

LONGEST_DAYS = 90


class PartKind(StrEnum):
    """The kind of a part of an answer."""

    TEXT = "text"
    THINKING = "thinking"
    TOOL = "tool"
    RESULT = "result"
    NOTE = "note"


class SharedPart(msgspec.Struct, frozen=True):
    """A part of an answer; `label` names the tool. Text of tools is plain, other text is Markdown."""

    kind: PartKind
    text: str
    label: str = ""
    failed: bool = False


class SharedTurn(msgspec.Struct, frozen=True):
    """A prompt and its answer. `author` is a name made for the page; `files` are names of attachments."""

    author: str
    prompt: str
    at_ms: int
    parts: tuple[SharedPart, ...]
    files: tuple[str, ...] = ()


class SharedDocument(msgspec.Struct, frozen=True):
    """The whole content of a shared page. `earlier` is the number of older turns that it leaves out."""

    title: str
    made_ms: int
    turns: tuple[SharedTurn, ...]
    earlier: int = 0


class TakenOut(msgspec.Struct, frozen=True):
    """The number of places at which something was taken out, by its kind."""

    secrets: int = 0
    paths: int = 0
    ids: int = 0
    words: int = 0


class ShareOptions(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Content of a shared page: turns up to number `until_turn` (None: all) without the words `take_out`."""

    tools: bool = True
    thinking: bool = False
    file_names: bool = False
    take_out: Annotated[tuple[str, ...], msgspec.Meta(max_length=100)] = ()
    until_turn: int | None = None


class SharedPageDraft(msgspec.Struct, frozen=True):
    """A page without an address: exactly `document` is what readers will see."""

    id: str
    document: SharedDocument
    taken_out: TakenOut
    as_of: int


class SharedPage(msgspec.Struct, frozen=True):
    """A page that readers can open until `expires_ms`; `opened` counts how often they did."""

    id: str
    made_by: str
    made_ms: int
    as_of: int
    turns: int
    expires_ms: int
    opened: int
    opened_ms: int | None


class SharedPages(msgspec.Struct, frozen=True):
    """The pages of a session, newest first; those that have expired are left out."""

    pages: tuple[SharedPage, ...]


class PublishedPage(msgspec.Struct, frozen=True):
    """A page that has just got its address. `token` is the end of the address and is shown this once.

    `url` is the whole address; empty while no web face runs.
    """

    page: SharedPage
    token: str
    url: str


class DraftSharedPage(SessionCommand[SharedPageDraft], frozen=True, tag="draft_shared_page", kw_only=True):
    """Make a page of the session as it is now, for a look before it gets an address. Drafts go after an hour.

    Secrets, paths and ids are taken out. Raises `NothingToShare` without a turn.
    """

    action = Action.MANAGE
    reply = SharedPageDraft
    options: ShareOptions = ShareOptions()


class PublishSharedPage(SessionCommand[PublishedPage], frozen=True, tag="publish_shared_page", kw_only=True):
    """Give a draft its address for `days` (1 to 90) days. Raises `SharedPageNotFound`, also the second time."""

    action = Action.MANAGE
    reply = PublishedPage
    page_id: str
    days: int = 7


class ListSharedPages(SessionCommand[SharedPages], frozen=True, tag="list_shared_pages"):
    """Return the session's pages."""

    action = Action.MANAGE
    reply = SharedPages
    audited = False


class RevokeSharedPage(SessionCommand[Nothing], frozen=True, tag="revoke_shared_page", kw_only=True):
    """Delete a page: its address leads nowhere from now on. Raises `SharedPageNotFound`."""

    action = Action.MANAGE
    reply = Nothing
    page_id: str


class OpenSharedPage(Command[SharedDocument], frozen=True, tag="open_shared_page", kw_only=True):
    """Return the page behind an address and count the opening. Anybody may: the token is the right.

    Raises `SharedPageNotFound` for an unknown, revoked or expired one.
    """

    action = Action.OPEN_SHARED
    reply = SharedDocument
    audited = False
    token: str


SharedPagesCommand = DraftSharedPage | PublishSharedPage | ListSharedPages | RevokeSharedPage
"""The commands of this file about one session."""
