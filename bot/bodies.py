"""The content that a Discord message should show: plain values without discord.py, compared by their hash.

`render.py` and `cards.py` make them, `pump.py` sends them. Texts are final here: within Discord's limits, every
fence closed. Nothing in them pings; only `PostWish.ping` does.
"""

import hashlib
from enum import StrEnum
from functools import cached_property

import msgspec
from msgspec.structs import replace


class Verb(StrEnum):
    """The action of a control. Stored in its custom_id and in the `controls` row."""

    STOP = "stop"
    CONTINUE = "continue"
    REGENERATE = "regenerate"
    BRANCH = "branch"
    MODEL = "model"
    USE_MODEL = "use_model"
    MOVE = "move"
    TRY_NOW = "try_now"
    LOOK_CLOSER = "look_closer"
    SET_UP_BRANCH = "set_up_branch"
    WRITE_GUIDE = "write_guide"
    EXPORT = "export"
    FILES = "files"
    ALTERNATIVE = "alt"
    DETAILS = "details"
    GO_ON_FROM = "go_on_from"
    CANCEL_QUEUED = "cancel"
    SEND_NOW = "now"
    JOIN_QUEUED = "join"
    ALLOW = "allow"
    ALLOW_SESSION = "allow_session"
    ALLOW_ALWAYS = "allow_always"
    DENY = "deny"
    DENY_NOTE = "deny_note"
    SHOW_ALL = "show_all"
    CHOOSE = "choose"
    CHOOSE_ONE = "choose_one"
    CHOOSE_TEXT = "choose_text"
    SUBMIT_ANSWERS = "submit"
    ANSWER_WITH_PROMPT = "with_prompt"
    APPROVE_PLAN = "approve"
    APPROVE_EDITS = "approve_edits"
    REVISE_PLAN = "revise"
    FILL_FORM = "fill_form"
    SEND_FORM = "send_form"
    FOLLOW_LINK = "follow_link"
    POSTPONE = "postpone"
    REWIND_FILES = "rewind"
    MORE = "more"
    OPEN_ANSWER = "open_answer"
    PAGE = "page"
    CONFIRM = "confirm"
    TAKE_BACK = "take_back"
    TRUST = "trust"
    SITE = "site"
    HOLD_FOR_ALL = "hold_for_all"
    ASK_ABOUT = "ask_about"
    TEMPLATE = "template"
    PUBLISH = "publish"
    END_LEFT_RUNNING = "end_left_running"
    CHECKPOINT = "checkpoint"
    BROWSER = "browser"
    PREVIEW_MERGE = "preview_merge"
    MERGE_BRANCH = "merge_branch"
    UNDO_MERGE = "undo_merge"
    RESOLVE_MERGE = "resolve_merge"
    MERGE_MESSAGE = "merge_message"
    REPORT = "report"
    REMOVE_BRANCH = "remove_branch"
    RUN = "run"
    FOLDER = "folder"


class Style(StrEnum):
    """The look of a button, by Discord's names."""

    PRIMARY = "primary"
    SECONDARY = "secondary"
    SUCCESS = "success"
    DANGER = "danger"


def control_key(verb: Verb, session_id: str, subject: str, detail: str = "") -> str:
    """Return the 12 characters that name a control's row. The same meaning gives the same key."""
    # 48 bits: among a million controls, the chance that any two share a key is below 0.2 %.
    meaning = f"{verb}\0{session_id}\0{subject}\0{detail}"
    return hashlib.blake2b(meaning.encode(), digest_size=6).hexdigest()


class Control(msgspec.Struct, frozen=True):
    """The meaning of a click. `subject` is a turn, ask or page; `detail` has whatever else the verb needs."""

    verb: Verb
    session_id: str
    subject: str = ""
    detail: str = ""

    @property
    def key(self) -> str:
        return control_key(self.verb, self.session_id, self.subject, self.detail)

    @property
    def custom_id(self) -> str:
        """`v1:<verb>:<key>`; at most 100 characters, as Discord wants."""
        return f"v1:{self.verb}:{self.key}"

    @property
    def number(self) -> int:
        """The number that `detail` is; 0 for any other text."""
        return int(self.detail) if self.detail.isdecimal() else 0


class Button(msgspec.Struct, frozen=True):
    """A button, and what it does."""

    control: Control
    label: str
    style: Style = Style.SECONDARY
    disabled: bool = False


class LinkButton(msgspec.Struct, frozen=True):
    """A button that opens `url` in the person's browser. Discord does not report its use."""

    url: str
    label: str


class Option(msgspec.Struct, frozen=True):
    """One of the options of a select."""

    label: str
    value: str
    description: str = ""
    chosen: bool = False


class Select(msgspec.Struct, frozen=True):
    """A choice among at most 25 options."""

    control: Control
    placeholder: str
    options: tuple[Option, ...]
    max_values: int = 1
    disabled: bool = False


Row = tuple[Button | LinkButton, ...] | Select


class File(msgspec.Struct, frozen=True):
    """A file that goes with a message; `name` is shown."""

    name: str
    data: bytes
    description: str = ""


class Plain(msgspec.Struct, frozen=True):
    """A message with content: Claude's text, so that it can be copied, quoted and searched."""

    content: str
    rows: tuple[Row, ...] = ()
    files: tuple[File, ...] = ()


class Card(msgspec.Struct, frozen=True):
    """A Components V2 message: a colour bar, texts (4,000 characters together), rows of controls.

    `beside` is a button beside the first text.
    """

    texts: tuple[str, ...]
    rows: tuple[Row, ...] = ()
    files: tuple[File, ...] = ()
    accent: int | None = None
    beside: Button | None = None


Body = Plain | Card


class PostWish(msgspec.Struct, frozen=True, dict=True):
    """One message that should be in the channel. `ping` is the one user that its creation notifies.

    A message that is made `once` is not edited afterwards, whatever its body says at a later rendering.
    """

    subject: str
    ordinal: int
    body: Body
    ping: int | None = None
    once: bool = False

    @cached_property
    def shown(self) -> str:
        """The hash of the body. A message with an equal hash needs no edit."""
        body = self.body
        if self.once and body.files:  # megabytes that are never compared
            body = replace(body, files=tuple(replace(each, data=b"") for each in body.files))
        return hashlib.blake2b(msgspec.json.encode(body), digest_size=16).hexdigest()
