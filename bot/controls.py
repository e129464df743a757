"""Controls: carry out a click, a choice or a submitted dialog as its `controls` row says.

The custom_id carries a verb and a key, the `controls` row the rest; so every control works on old messages,
after any restart. The core decides at the click whether the person may do it. Nothing is registered with the
library, because its registries lose entries.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import discord

from bot.ask_controls import AskControls
from bot.ask_decisions import DECISIONS
from bot.asking import Asker
from bot.bodies import Control, Verb
from bot.branch_controls import BranchControls
from bot.checkpoint_controls import CheckpointControls
from bot.entry import Reply
from bot.errors import ControlGone
from bot.face import Face
from bot.members import Members
from bot.message_question import MessageQuestionControls
from bot.modals import control_key_of, submitted_fields, submitted_text
from bot.opening import Opener
from bot.panel_controls import PanelControls
from bot.rows import load_control
from bot.site_controls import SiteControls
from bot.trust_controls import TrustControls
from bot.turn_controls import TurnControls

_CUSTOM_ID = re.compile(r"v1:(?P<verb>[a-z_]+):(?P<key>[0-9a-f]{12})")

_OF_ASKS = DECISIONS.keys() | {
    Verb.ALLOW_ALWAYS,
    Verb.DENY_NOTE,
    Verb.SHOW_ALL,
    Verb.CHOOSE,
    Verb.CHOOSE_ONE,
    Verb.CHOOSE_TEXT,
    Verb.SUBMIT_ANSWERS,
    Verb.ANSWER_WITH_PROMPT,
    Verb.REVISE_PLAN,
}
_OF_SERVERS = frozenset({Verb.FILL_FORM, Verb.SEND_FORM})
_OF_BRANCHES = frozenset(
    {
        Verb.PREVIEW_MERGE,
        Verb.MERGE_BRANCH,
        Verb.UNDO_MERGE,
        Verb.RESOLVE_MERGE,
        Verb.MERGE_MESSAGE,
        Verb.REMOVE_BRANCH,
        Verb.SET_UP_BRANCH,
        Verb.REPORT,
    }
)
_OF_PANELS = frozenset(
    {Verb.MORE, Verb.PAGE, Verb.CONFIRM, Verb.TAKE_BACK, Verb.HOLD_FOR_ALL, Verb.END_LEFT_RUNNING, Verb.BROWSER}
)


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a control: `values` of a select, `text` and `fields` of a dialog (None without a dialog)."""

    control: Control
    values: tuple[str, ...] = ()
    text: str | None = None
    fields: Mapping[str, tuple[str, ...]] | None = None


class Controls:
    """Carries out uses of controls. `Entry.run` answers the errors of its methods. Commands use `turns` too."""

    def __init__(
        self, face: Face, client: discord.Client, opener: Opener, asker: Asker, members: Members
    ) -> None:
        self._face = face
        self._opener = opener
        self._asks = AskControls(face)
        self.turns = TurnControls(face, client, opener, members)
        self._panels = PanelControls(face)
        self._trust = TrustControls(face)
        self._checkpoints = CheckpointControls(face, self.turns)
        self._sites = SiteControls(face)
        self._branches = BranchControls(face)
        self._about = MessageQuestionControls(client, asker)
        self._asker = asker

    async def handle(self, reply: Reply) -> None:
        """Carry out one use. Raises `ControlGone` if the control is out of date."""
        use = await self._read(reply.interaction.data or {})
        verb = use.control.verb
        if verb in _OF_ASKS:
            await self._asks.handle(reply, use.control, use.values, use.text)
        elif verb in _OF_SERVERS:
            await self._asks.of_servers.handle(reply, use.control, use.fields)
        elif verb in _OF_PANELS:
            await self._panels.handle(reply, use.control, use.values)
        elif verb in _OF_BRANCHES:
            await self._branches.handle(reply, use.control, use.text)
        elif verb is Verb.TRUST:
            await self._trust.handle(reply, use.control)
        elif verb is Verb.SITE:
            await self._sites.handle(reply, use.control)
        elif verb is Verb.RUN:
            from bot.run_controls import RunControls  # runs are rare

            await RunControls(self._face).handle(reply, use.control, use.text)
        elif verb is Verb.FOLDER:
            from bot.folder_controls import FolderControls  # ends and backups are rare

            folders = FolderControls(self._face, self._opener)
            await folders.handle(reply, use.control, use.values, use.fields)
        elif verb is Verb.CHECKPOINT:
            await self._checkpoints.handle(reply, use.control, use.values)
        elif verb is Verb.PUBLISH:
            from bot.shared_pages import PageControls  # rare: a start has no use for it

            await PageControls(self._face).handle(reply, use.control)
        elif verb is Verb.TEMPLATE:
            from bot.templates import TemplateControls

            await TemplateControls(self._face, self._asker).handle(reply, use.control, use.text or "")
        elif verb is Verb.ASK_ABOUT:
            await self._about.handle(reply, use.control, use.text or "")
        else:
            await self.turns.handle(reply, use.control, use.values)

    async def _read(self, data: Any) -> Use:
        custom_id = str(data.get("custom_id", ""))
        found = _CUSTOM_ID.fullmatch(custom_id)
        # The verb in the id is for people who read logs: the row alone decides.
        key = found["key"] if found else control_key_of(custom_id)
        control = await load_control(self._face.db, key) if key is not None else None
        if control is None:
            raise ControlGone
        text = None if found else submitted_text(data)
        fields = None if found else submitted_fields(data)
        return Use(control, tuple(str(each) for each in data.get("values", ())), text, fields)
