"""Interactions that a crash cut: prompts are sent after all, other loading messages say that it was cut.

Discord itself shows "interaction failed" for those never acknowledged; only loading messages need an end.
"""

import logging
from contextlib import suppress

import discord
import msgspec

from bot.actors import Somebody, actor_of
from bot.asking import ASKED, Asked, Asker
from bot.bodies import Plain
from bot.discord_bodies import edit_kwargs
from bot.errors import CONNECTION_BROKEN, sentence_for
from bot.face import Face
from bot.inbox_rows import InboxRow, InboxStatus, close_inbox_row, open_interactions
from faults import crash_point

log = logging.getLogger(__name__)

_CUT = "The bot was restarted before this was done. Please do it again."
_TOKEN_LIVES_MS = 14 * 60_000  # Discord's tokens live for 15 minutes
_MAY_PASS = (discord.DiscordServerError, discord.RateLimited, *CONNECTION_BROKEN)


class CutInteractions:
    """Finishes interactions whose rows are still open after a start."""

    def __init__(self, face: Face, client: discord.Client, asker: Asker) -> None:
        self._face = face
        self._client = client
        self._asker = asker

    async def run(self, before_ms: int) -> None:
        """Finish every open interaction older than `before_ms`. One that fails at Discord stays open."""
        for row in await open_interactions(self._face.db, before_ms):
            try:
                note = await self._finish(row)
            except _MAY_PASS as error:
                # The row stays; the next connection takes it up again.
                log.warning("cut prompt waits", extra={"inbox": row.external, "why": type(error).__name__})
                continue
            except Exception:
                # Open, it would be taken up at every connection, and end this loop for all rows after it.
                log.exception("cut interaction not finished", extra={"inbox": row.external})
                note = "not finished"
            crash_point("leftover-done")
            status = InboxStatus.REFUSED if note else InboxStatus.DONE
            await self._face.db.write([close_inbox_row(row.external, status, self._face.now_ms(), note)])

    async def _finish(self, row: InboxRow) -> str:
        if row.kind != ASKED:
            await self._end_loading(row, Plain(_CUT))
            return "cut by a restart"
        try:
            asked = msgspec.convert(row.body, Asked)
        except msgspec.ValidationError:
            log.exception("cut prompt not read", extra={"inbox": row.external})
            await self._end_loading(row, Plain(_CUT))
            return "not readable"
        # The settings may have changed with the restart: the role is worked out again.
        somebody = Somebody(asked.user_id, asked.guild_id, frozenset(asked.role_ids))
        note = ""
        try:
            said = await self._asker.do(actor_of(self._face.access, somebody), asked)
        except _MAY_PASS:
            raise
        except Exception as error:
            note = sentence_for(error) or "Something went wrong."
            log.warning("cut prompt not sent", extra={"inbox": row.external, "why": type(error).__name__})
            said = Plain(note)
        await self._end_loading(row, said)
        return note

    async def _end_loading(self, row: InboxRow, body: Plain) -> None:
        """Replace the loading message with `body`, if it exists and its token is still valid."""
        token, application_id = row.body.get("token"), row.body.get("application_id")
        if not token or not application_id or self._face.now_ms() - row.received_ms > _TOKEN_LIVES_MS:
            return
        webhook = discord.Webhook.partial(int(application_id), str(token), client=self._client)
        with suppress(discord.HTTPException, *CONNECTION_BROKEN):
            # For a control, "@original" is the post that it stands on. That post is the view's: do not edit it.
            message = await webhook.fetch_message("@original")  # type: ignore[arg-type]  # a route of Discord's
            if message.flags.loading:
                await message.edit(**edit_kwargs(body))
