"""The end of a session and backups in Discord: what commands and buttons do."""

from collections.abc import Mapping
from typing import Any

import discord
from discord import ui

from api import (
    ApplyRotation,
    BackupKind,
    Clear,
    DraftEnd,
    EndSession,
    ListBackups,
    PlanRotation,
    ReadFolder,
    RestoreBackup,
    VerifyBackup,
)
from api.access import Action, Role, authorize
from api.words.backups import read_score, score_text
from bot import folder_cards as cards
from bot.actors import core_id
from bot.bodies import Body, Card, Control
from bot.entry import Reply
from bot.errors import ControlGone, Refused
from bot.face import Face
from bot.markdown.cards import escape_inline
from bot.modals import modal
from bot.opening import Opener, Spot
from bot.panel_controls import stored
from bot.scopes import SessionScope
from bot.status_card import ASK_END

_NO_SCORE = "A score is a line such as: Role 4, Logic 3. Each axis has 0 to 5 points, or a dash."


class FolderControls:
    """Carries out clicks on cards of ends and backups; see `controls.Controls`. The subject is the act."""

    def __init__(self, face: Face, opener: Opener) -> None:
        self._face = face
        self._opener = opener

    async def handle(
        self,
        reply: Reply,
        control: Control,
        values: tuple[str, ...],
        fields: Mapping[str, tuple[str, ...]] | None,
    ) -> None:
        """Carry out one click, or a submitted dialog."""
        match control.subject:
            case act if act == ASK_END:
                await self._face.check(reply.actor, Action.MANAGE, control.session_id)
                await reply.think()
                await reply.say(await end_body(self._face, reply, control.session_id))
            case cards.END if fields is None:
                await self._ask(reply, control)
            case cards.END:
                await self._end(reply, control, fields or {})
            case cards.AGREE:
                await self._end(reply, control, {})
            case cards.JUST_END:
                await reply.will_update()
                await self._face.core.perform(reply.actor, Clear(session_id=control.session_id))
                await reply.update(Card(("The session has ended. What was said stays readable.",)))
            case cards.PICK if values:
                await reply.say(await self._picked(reply, values[0]))
            case cards.VERIFY:
                await reply.think()
                await reply.say(await verified(self._face, reply, control.detail))
            case cards.RESTORE:
                await self.restore(reply, control.detail, "")
            case cards.PLAN:
                await reply.will_update()
                plan = cards.rotation_card(await self._face.core.perform(reply.actor, PlanRotation()))
                await reply.update(await stored(self._face, plan))
            case cards.ROTATE:
                await reply.will_update()
                await reply.update(
                    cards.rotation_card(await self._face.core.perform(reply.actor, ApplyRotation()))
                )
            case _:
                raise ControlGone

    async def _ask(self, reply: Reply, control: Control) -> None:
        """Open the dialog with the summary and the score."""
        # Before the dialog: nobody writes a summary that the core then refuses.
        await self._face.check(reply.actor, Action.MANAGE, control.session_id)
        wish = ReadFolder(session_id=control.session_id)
        folder = await self._face.core.perform(reply.actor, wish)
        summary: ui.TextInput[Any] = ui.TextInput(
            custom_id=cards.SUMMARY,
            style=discord.TextStyle.paragraph,
            # Discord refuses a text that is longer than the field takes.
            default=folder.draft[:4000] or None,
            required=False,
            max_length=4000,
        )
        score: ui.TextInput[Any] = ui.TextInput(
            custom_id=cards.SCORE,
            style=discord.TextStyle.paragraph,
            default=score_text(folder.score, folder.axes)[:1000],
            required=False,
            max_length=1000,
        )
        parts = [
            ui.Label(text="Summary", component=summary),
            ui.Label(text="Score: 0 to 5 each, - for none", component=score),
        ]
        await reply.open_dialog(modal(control, "End the session", parts))

    async def _end(self, reply: Reply, control: Control, fields: Mapping[str, tuple[str, ...]]) -> None:
        await reply.think(ephemeral=False)
        try:
            score = read_score(" ".join(fields.get(cards.SCORE, ())))
        except ValueError as error:
            raise Refused(_NO_SCORE) from error
        wish = EndSession(
            session_id=control.session_id,
            summary=" ".join(fields.get(cards.SUMMARY, ())),
            score=score,
            proposed_ms=int(control.detail) if control.detail else None,
        )
        await reply.say(cards.ended_card(await self._face.core.perform(reply.actor, wish)))

    async def _picked(self, reply: Reply, backup_id: str) -> Body:
        found = await self._face.core.perform(reply.actor, ListBackups(limit=200))
        for each in found.backups:
            if each.id == backup_id:
                return await stored(self._face, cards.backup_card(each))
        raise ControlGone

    async def restore(self, reply: Reply, backup_id: str, project: str) -> None:
        """Restore a session into a thread of its own."""
        authorize(reply.actor, Action.CREATE)
        await reply.think(ephemeral=False)
        interaction = reply.interaction
        spot = Spot(interaction.guild_id or 0, interaction.channel_id or 0, reply.message_id)
        name = backup_id.partition("/")[2][:90] or "Restored session"
        async with self._opener.thread(reply.actor, spot, name) as thread_id:
            where = core_id(thread_id)
            # The thread is the key: a repeated request returns the session that the first one made.
            wish = RestoreBackup(backup_id=backup_id, channel_id=where, key=where, project=project)
            info = await self._face.core.perform(reply.actor, wish)
            await self._opener.place(info, spot.guild_id, thread_id, SessionScope.THREAD)
        words = f"The session goes on in <#{thread_id}>, with its files in the project `{info.project}`."
        await reply.say(words, ephemeral=False)


async def end_body(face: Face, reply: Reply, session_id: str) -> Body:
    """Draft the summary of a session, and return the card from which it is ended."""
    folder = await face.core.perform(reply.actor, DraftEnd(session_id=session_id))
    return await stored(face, cards.end_card(session_id, folder))


async def backups_body(face: Face, reply: Reply, kind: BackupKind | None) -> Body:
    """Return the list of backups that the reply's actor may use."""
    found = await face.core.perform(reply.actor, ListBackups(kind=kind))
    return await stored(face, cards.backups_card(found, is_admin=reply.actor.role is Role.ADMIN))


async def verified(face: Face, reply: Reply, backup_id: str) -> str:
    """Read a backup byte by byte, and return a sentence."""
    done = await face.core.perform(reply.actor, VerifyBackup(backup_id=backup_id))
    if done.backup.damage:
        # Names of entries are of whoever made the bundle.
        return f"{done.backup.id} is damaged. {escape_inline(done.backup.damage, 400)}"
    return f"{done.backup.id} is whole: every byte of it was read."
