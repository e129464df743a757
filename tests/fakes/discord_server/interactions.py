"""Interactions: what a command, click or submit becomes, how long it may be answered, what was answered."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from . import errors, message_payload, payloads
from .model import Channel, ChannelType, Guild, Json, Message, User
from .world import Event, World

ACK_WITHIN_S = 3.0
# Nobody clicks sooner after a message appears; the bot has its own answer by then and knows the control.
REACTION_S = 0.05
TOKEN_LIVES_S = 15 * 60.0


class Kind(IntEnum):
    """Interaction types of Discord's documentation."""

    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL = 5


class Ack(StrEnum):
    """How the bot acknowledged: the callback's type in a word."""

    REPLIED = "replied"
    DEFERRED = "deferred"
    DEFERRED_UPDATE = "deferred update"
    UPDATED = "updated"
    CHOICES = "choices"
    MODAL = "modal"


@dataclass(slots=True)
class Interaction:
    """One interaction and all that came of it. `source` is the message whose control was used."""

    id: int
    token: str
    kind: Kind
    user: User
    channel: Channel
    created: float
    data: Json
    source: Message | None = None
    trigger: Interaction | None = None
    target_message: Message | None = None
    ack: Ack | None = None
    acked_at: float = 0.0
    original: Message | None = None
    followups: list[Message] = field(default_factory=list)
    modal: Json | None = None
    choices: list[Json] = field(default_factory=list)
    touched: int = 0

    def expired(self, now: float) -> bool:
        """Nobody acknowledged in time."""
        return self.ack is None and now >= self.created + ACK_WITHIN_S

    def loading(self) -> bool:
        """The original response still shows that the bot is thinking."""
        return self.original is not None and bool(self.original.flags & (1 << 7)) and not self.original.deleted


class Interactions:
    """All interactions, by id and by token."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._by_token: dict[str, Interaction] = {}

    def create(
        self,
        kind: Kind,
        user: User,
        channel: Channel,
        data: Json,
        *,
        source: Message | None = None,
        trigger: Interaction | None = None,
        target_message: Message | None = None,
        seen: float = 0.0,
    ) -> Interaction:
        """Make the interaction and send it to the bot; the three seconds run from then.

        `seen` is when its control appeared: the person needs `REACTION_S` to use it.
        """
        begins = max(self._world.clock.now(), seen + REACTION_S)
        made = Interaction(
            id=self._world.next_id(),
            token=secrets.token_urlsafe(24),
            kind=kind,
            user=user,
            channel=channel,
            created=begins,
            data=data,
            source=source,
            trigger=trigger,
            target_message=target_message,
        )
        self._by_token[made.token] = made
        self._world.clock.call_at(begins + ACK_WITHIN_S, self._world.changed)
        self._world.clock.call_at(begins, lambda: self._send(made))
        return made

    def to_acknowledge(self, interaction_id: int, token: str) -> Interaction:
        """The interaction for a callback. Raises 10062 (unknown, too late), 40060 (answered)."""
        found = self._by_token.get(token)
        if found is None or found.id != interaction_id:
            raise errors.unknown_interaction()
        if found.ack is not None:
            raise errors.already_acknowledged()
        if found.expired(self._world.clock.now()):
            raise errors.unknown_interaction()
        return found

    def by_token(self, token: str) -> Interaction:
        """The interaction for a follow-up. Raises 10015 (unknown, not yet answered), 50027 (too old)."""
        found = self._by_token.get(token)
        if found is None:
            raise errors.unknown_webhook()
        if self._world.clock.now() >= found.created + TOKEN_LIVES_S:
            raise errors.invalid_webhook_token()
        if found.ack is None:
            raise errors.unknown_webhook()
        return found

    def _send(self, interaction: Interaction) -> None:
        self._world.announce(Event("INTERACTION_CREATE", payload(self._world, interaction)))

    def acknowledge(self, interaction: Interaction, ack: Ack) -> None:
        """Record the answer; the one who waits sees it at the next change of the world."""
        interaction.ack = ack
        interaction.acked_at = self._world.clock.now()


def metadata(interaction: Interaction) -> Json:
    """`interaction_metadata` of the messages that answer it."""
    body: Json = {
        "id": str(interaction.id),
        "type": int(interaction.kind),
        "user": payloads.user(interaction.user),
        "authorizing_integration_owners": _owners(interaction.channel),
    }
    if interaction.kind is Kind.COMPONENT and interaction.source is not None:
        body["interacted_message_id"] = str(interaction.source.id)
    if interaction.kind is Kind.MODAL and interaction.trigger is not None:
        body["triggering_interaction_metadata"] = metadata(interaction.trigger)
    if interaction.target_message is not None:
        body["target_message_id"] = str(interaction.target_message.id)
    return body


def payload(world: World, interaction: Interaction) -> Json:
    """INTERACTION_CREATE."""
    channel, guild = interaction.channel, world.guild_of(interaction.channel)
    body: Json = {
        "id": str(interaction.id),
        "application_id": str(world.application_id),
        "type": int(interaction.kind),
        "data": interaction.data,
        "channel_id": str(channel.id),
        "channel": _partial_channel(world, interaction),
        "token": interaction.token,
        "version": 1,
        "app_permissions": str(world.permissions(channel, world.bot.id)),
        "locale": "en-US",
        "entitlements": [],
        "entitlement_sku_ids": [],
        "authorizing_integration_owners": _owners(channel),
        "context": 0 if guild is not None else 1,
        "attachment_size_limit": 10 * 1024 * 1024,
    }
    if guild is not None:
        body.update(_guild_part(world, interaction, guild))
    else:
        body["user"] = payloads.user(interaction.user)
    source = interaction.source or (interaction.trigger.source if interaction.trigger else None)
    if source is not None:
        body["message"] = message_payload.rest(world, channel, source)
    return body


def _guild_part(world: World, interaction: Interaction, guild: Guild) -> Json:
    member = guild.members[interaction.user.id]
    bits = world.permissions(interaction.channel, interaction.user.id)
    return {
        "guild_id": str(guild.id),
        "guild": {"id": str(guild.id), "locale": "en-US", "features": []},
        "guild_locale": "en-US",
        "member": {**payloads.member(member), "permissions": str(bits)},
    }


def _partial_channel(world: World, interaction: Interaction) -> Json:
    channel = interaction.channel
    if channel.type is ChannelType.DM:
        return payloads.dm(channel, [interaction.user])
    bits = world.permissions(channel, interaction.user.id)
    return {**payloads.channel(channel), "permissions": str(bits)}


def _owners(channel: Channel) -> Json:
    return {"0": str(channel.guild_id or 0)}
