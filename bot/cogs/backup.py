"""`/backup …`: list, create, verify, restore. Sessions' backups are their owners', all others an admin's."""

from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from api import BackUpAll, BackupInfo, BackupKind, BackUpSession, ExportBundle, RestoreProject
from api.access import Action, authorize
from bot.bodies import File, Plain
from bot.cogs import choices
from bot.cogs.parts import CommandParts
from bot.entry import reply_to
from bot.errors import Refused
from bot.markdown.cards import escape_inline
from bot.session_lookup import meant
from bot.wording import size

if TYPE_CHECKING:
    from bot.folder_controls import FolderControls

Interaction = discord.Interaction[Any]
_KINDS = [
    app_commands.Choice(name="this session, as a bundle", value="session"),
    app_commands.Choice(name="everything, as a daily backup (admins)", value="daily"),
    app_commands.Choice(name="everything, as a milestone with a label (admins)", value="milestone"),
]


class BackupCommands(
    commands.GroupCog, group_name="backup", group_description="Backups of sessions and projects"
):
    """The group `/backup`."""

    def __init__(self, parts: CommandParts) -> None:
        self._parts = parts
        self._face = parts.face

    @property
    def _controls(self) -> "FolderControls":
        from bot.folder_controls import FolderControls  # ends and backups are rare

        return FolderControls(self._face, self._parts.opener)

    @app_commands.command(name="list", description="The backups that you may use, and the weekly clean-up.")
    @app_commands.choices(kind=_KINDS)
    async def list_(self, interaction: Interaction, kind: str | None = None) -> None:
        from bot.folder_controls import backups_body

        reply = reply_to(interaction)
        authorize(reply.actor, Action.LIST)
        await reply.think()
        await reply.say(await backups_body(self._face, reply, BackupKind(kind) if kind else None))

    @app_commands.command(description="Make a backup now.")
    @app_commands.describe(kind="What goes into it; without it, this session", label="The name of a milestone")
    @app_commands.choices(kind=_KINDS)
    async def create(
        self, interaction: Interaction, kind: str = "session", label: app_commands.Range[str, 0, 60] = ""
    ) -> None:
        from api.words.backups import backup_line

        reply = reply_to(interaction)
        if kind == BackupKind.SESSION:
            info = await meant(self._face, reply)
            await self._face.check(reply.actor, Action.MANAGE, info.id)
            await reply.think()
            made: BackupInfo = await self._face.core.perform(reply.actor, BackUpSession(session_id=info.id))
        else:
            authorize(reply.actor, Action.ADMINISTER)
            await reply.think()
            words = label or "milestone" if kind == BackupKind.MILESTONE else ""
            made = await self._face.core.perform(reply.actor, BackUpAll(label=words))
        await reply.say(f"The backup is made: {escape_inline(backup_line(made), 400)}")

    @app_commands.command(description="This session's bundle as a file, for another bridge.")
    async def export(self, interaction: Interaction) -> None:
        from bot.turn_controls import file_limit

        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        await reply.think()
        wish = ExportBundle(session_id=info.id)
        file = await self._face.core.perform(reply.actor, wish)
        # A bundle has the project's files, so it is often larger than Discord takes.
        if len(file.data) > (limit := file_limit(reply)):
            raise Refused(
                f"The bundle is too large for Discord ({size(len(file.data))}, at most {size(limit)})."
                " /backup create keeps it on the machine."
            )
        await self._parts.turns.check_again(reply, wish)
        await reply.say(Plain("The bundle as a file:", files=(File(file.name, file.data, "The bundle"),)))

    @app_commands.command(description="Read a backup byte by byte.")
    @app_commands.describe(backup="Which backup")
    @app_commands.autocomplete(backup=choices.backups)
    async def verify(self, interaction: Interaction, backup: str) -> None:
        from bot.folder_controls import verified

        reply = reply_to(interaction)
        authorize(reply.actor, Action.LIST)
        await reply.think()
        await reply.say(await verified(self._face, reply, backup))

    @app_commands.command(description="Restore a session, or a project of a daily backup, into a new place.")
    @app_commands.describe(
        backup="Which backup",
        project="Where a session's files go, if that is empty; which project of a daily backup",
    )
    @app_commands.autocomplete(backup=choices.backups)
    async def restore(self, interaction: Interaction, backup: str, project: str = "") -> None:
        reply = reply_to(interaction)
        # The id is a path below the directory of backups: its beginning tells the kind.
        if backup.startswith("sessions/"):
            await self._controls.restore(reply, backup, project)
            return
        authorize(reply.actor, Action.ADMINISTER)
        await reply.think()
        done = await self._face.core.perform(reply.actor, RestoreProject(backup_id=backup, project=project))
        await reply.say(f"{done.files:,} files are in the new project `{done.project}`.")
