""" "Ask Claude about this": the question from the dialog, with the message that it is about."""

import discord
import msgspec

from bot.asking import Asker, asked_by
from bot.bodies import Control
from bot.entry import Reply
from bot.errors import Refused
from bot.message_words import pointed, quote


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
        about = pointed(message)
        question = question or "Explain this."
        prompt = f"{question}\n\nA message by {about.author}:\n{quote(about.text)}"
        # Its own origin: the thread is on somebody's message, so no message there shows the question yet.
        origin = f"discord:menu:{reply.interaction.id}"
        asked = msgspec.structs.replace(
            asked_by(reply, prompt),
            origin=origin,
            anchor_id=message.id,
            files=about.files,
            words=question,
        )
        await self._asker.ask(reply, asked)
