"""The outcome that a person sees of a command, click or submit: loading, an answer, a dialog, a failure."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from .interactions import Ack, Interaction, Kind
from .model import Json, Message, MessageFlag
from .place import DEFAULT_WAIT_S, NeverHappened
from .site import Site

_FAILURES = {
    Kind.COMMAND: "The application did not respond",
    Kind.COMPONENT: "This interaction failed",
    Kind.AUTOCOMPLETE: "Loading options failed",
    Kind.MODAL: "Something went wrong. Try again.",
}


class Outcome:
    """The state of one interaction as its person sees it; it stays current while the bot goes on."""

    def __init__(self, site: Site, interaction: Interaction) -> None:
        self._site = site
        self.interaction = interaction

    @property
    def ack(self) -> Ack | None:
        """How the bot answered; None when it did not in time."""
        return self.interaction.ack

    @property
    def ack_ms(self) -> float:
        """Milliseconds of the fake's time until the bot answered."""
        return (self.interaction.acked_at - self.interaction.created) * 1000

    @property
    def failure(self) -> str | None:
        """The red line that Discord shows, if any."""
        return None if self.ack is not None else _FAILURES[self.interaction.kind]

    @property
    def reply(self) -> Message | None:
        """The answer: the original response or the updated message; None when there is none (left)."""
        original = self.interaction.original
        return original if original is not None and not original.deleted else None

    @property
    def followups(self) -> list[Message]:
        return [one for one in self.interaction.followups if not one.deleted]

    @property
    def text(self) -> str:
        """All text of the reply and the follow-ups."""
        reply = [] if self.reply is None else [self.reply]
        return "\n".join(one.text for one in [*reply, *self.followups])

    @property
    def ephemeral(self) -> bool:
        """Whether only the person sees the reply."""
        return self.reply is not None and self.reply.has(MessageFlag.EPHEMERAL)

    @property
    def modal(self) -> Json | None:
        """The dialog that opened: title, custom_id, components."""
        return self.interaction.modal

    @property
    def choices(self) -> list[Json]:
        """The suggestions: name and value each."""
        return self.interaction.choices

    async def settled(self, timeout_s: float = DEFAULT_WAIT_S) -> Outcome:
        """Wait until a deferred answer is there: the loading message replaced or gone, or a follow-up sent."""
        await self.until(lambda: not self._pending(), timeout_s)
        return self

    async def until(self, predicate: Any, timeout_s: float = DEFAULT_WAIT_S) -> Outcome:
        """Wait until `predicate()` holds. Raises `NeverHappened`."""
        try:
            await self._site.world.until(lambda: predicate() or None, timeout_s)
        except TimeoutError:
            raise NeverHappened(f"the answer stayed at {self.ack}: {self.text!r}") from None
        return self

    def _pending(self) -> bool:
        match self.interaction.ack:
            case Ack.DEFERRED:
                return self.interaction.loading()
            case Ack.DEFERRED_UPDATE:
                return self.interaction.touched == 0
            case _:
                return False


class Attempt:
    """A command, click or submit under way: `await` it for the `Outcome`, which comes with the first answer."""

    def __init__(self, site: Site, interaction: Interaction) -> None:
        self._site = site
        self.outcome = Outcome(site, interaction)

    def __await__(self) -> Generator[Any, None, Outcome]:
        return self.acknowledged().__await__()

    async def acknowledged(self, timeout_s: float = DEFAULT_WAIT_S) -> Outcome:
        """Wait for the bot's first answer, or for Discord giving up on it after three seconds."""
        interaction, clock = self.outcome.interaction, self._site.clock
        return await self.outcome.until(
            lambda: interaction.ack is not None or interaction.expired(clock.now()), timeout_s
        )

    async def settled(self, timeout_s: float = DEFAULT_WAIT_S) -> Outcome:
        """Wait for the first answer and, if it only deferred, for the real one."""
        outcome = await self.acknowledged(timeout_s)
        return await outcome.settled(timeout_s)
