""" "Ask Claude about this": the question from the dialog, with the message that it is about."""

import discord
import msgspec

from bot.asking import Asker, asked_by
from bot.attachments import incoming
from bot.bodies import Control
from bot.entry import Reply
from bot.errors import Refused

_MAX_QUOTE = 6_000


class MessageQuestionControls:
    """Carries out the dialog's submit; see `controls.Controls`."""

    def __init__(self, client: discord.Client, asker: Asker) -> None:
        self._client = client
        self._asker = asker

    async def handle(self, reply: Reply, control: Control, question: str) -> None:
        """Ask in a thread on the message, with the message's files."""
        channel_id, _, message_id = control.subject.partition(":")
        await self._asker.check(reply)
        await reply.think(ephemeral=False)
        channel = self._client.get_partial_messageable(int(channel_id))
        try:
            message = await channel.fetch_message(int(message_id))
        except discord.NotFound:
            raise Refused("The message is gone.") from None
        quote = "\n".join(f"> {line}" for line in message.content[:_MAX_QUOTE].split("\n"))
        prompt = f"{question or 'Explain this.'}\n\nA message by {message.author.display_name}:\n{quote}"
        # Its own origin: the thread is on somebody's message, so no message there shows the question yet.
        origin = f"discord:menu:{reply.interaction.id}"
        asked = msgspec.structs.replace(
            asked_by(reply, prompt), origin=origin, anchor_id=message.id, files=incoming(message.attachments)
        )
        await self._asker.ask(reply, asked)
