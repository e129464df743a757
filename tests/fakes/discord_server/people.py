"""The people in a fake Discord: what a person can do, and only what Discord's own client would let them do."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import replace  # noqa: TID251

from . import errors, limits, options, places, posting
from .components import SELECTS, Part
from .interactions import Interaction, Kind
from .mentions import MESSAGE_DEFAULT, Allowed
from .model import Attachment, Channel, Guild, Json, Member, Message, MessageFlag, Poll, Role, User, walk
from .options import NotOffered
from .outcome import Attempt, Outcome
from .payloads import member as member_payload
from .permissions import Permission
from .place import Place
from .places import ThreadPlan
from .posting import Change, Draft
from .site import Site
from .world import Event, Intent

Files = Mapping[str, bytes]
_NO_REPLY_PING = Allowed(users=None, roles=None, everyone=True, replied_user=False)


class Person:
    """One user of Discord, not the bot under test. Actions that Discord would refuse raise its `ApiError`;
    controls that are not there raise `NotOffered`.
    """

    def __init__(self, site: Site, user: User) -> None:
        self._site = site
        self.user = user

    def __repr__(self) -> str:
        return f"Person({self.user.name})"

    @property
    def id(self) -> int:
        return self.user.id

    @property
    def mention(self) -> str:
        return self.user.mention

    # Membership

    def join(self, guild: Guild, roles: tuple[Role, ...] = ()) -> None:
        """Become a member, or change to exactly these roles."""
        world = self._site.world
        known = guild.members.get(self.id)
        ids = [role.id for role in roles]
        if known is not None:
            known.roles = ids
            data = {**member_payload(known), "guild_id": str(guild.id)}
            world.announce(Event("GUILD_MEMBER_UPDATE", data, Intent.GUILD_MEMBERS))
            return
        made = guild.members[self.id] = Member(self.user, world.clock.now(), ids)
        data = {**member_payload(made), "guild_id": str(guild.id)}
        world.announce(Event("GUILD_MEMBER_ADD", data, Intent.GUILD_MEMBERS))

    # Messages

    def send(
        self,
        place: Place,
        text: str = "",
        *,
        files: Files | None = None,
        reply_to: Message | None = None,
        ping_reply: bool = True,
        embeds: Sequence[Json] = (),
        components: Sequence[Json] = (),
        stickers: tuple[str, ...] = (),
    ) -> Message:
        """Post a message with files (name to bytes), at most 2000 characters as without Nitro.

        Only bots have `embeds` and `components` of their own.
        """
        if (embeds or components) and not self.user.bot:
            raise NotOffered("people cannot make embeds or components")
        if len(files or {}) > 10:
            raise NotOffered("a message has at most ten files")
        flags = MessageFlag.IS_COMPONENTS_V2 if components else 0
        limits.check_message(
            {"content": text, "embeds": [*embeds], "components": [*components], "flags": flags}, files=0
        )
        draft = Draft(
            author=self.user,
            content=text,
            embeds=[*embeds],
            components=[*components],
            attachments=[self._attachment(place.model, name, data) for name, data in (files or {}).items()],
            flags=int(flags),
            stickers=stickers,
            reply_to=reply_to,
            allowed=MESSAGE_DEFAULT if ping_reply else _NO_REPLY_PING,
        )
        return self._post(place.model, draft)

    def forward(self, message: Message, place: Place) -> Message:
        """Forward a message into a place: a new one without text, with a copy of what the other said.

        Discord's client does not offer it for polls.
        """
        if message.poll is not None:
            raise NotOffered("a poll cannot be forwarded")
        return self._post(place.model, Draft(author=self.user, forwards=message))

    def stick(self, place: Place, sticker: str) -> Message:
        """Post a sticker and nothing else."""
        return self._post(place.model, Draft(author=self.user, stickers=(sticker,)))

    def ask_all(self, place: Place, question: str, answers: Sequence[str]) -> Message:
        """Post a poll: a question of at most 300 characters, 1 to 10 answers of at most 55."""
        if not (
            1 <= len(question) <= 300 and 1 <= len(answers) <= 10 and all(0 < len(a) <= 55 for a in answers)
        ):
            raise NotOffered("no such poll")
        votes = tuple(() for _ in answers)
        poll = Poll(question, tuple(answers), votes, ends=self._site.clock.now() + 86_400)
        return self._post(place.model, Draft(author=self.user, poll=poll))

    def vote(self, message: Message, answer: str) -> None:
        """Vote in a poll."""
        assert message.poll is not None
        number = message.poll.answers.index(answer)
        votes = list(message.poll.votes)
        votes[number] = (*votes[number], self.id)
        message.poll = replace(message.poll, votes=tuple(votes))

    def end_poll(self, message: Message) -> None:
        """End an own poll before its time."""
        assert message.poll is not None
        assert message.author.id == self.id
        message.poll = replace(message.poll, has_ended=True)

    def speak(self, place: Place, data: bytes = b"OggS") -> Message:
        """Post a voice message, as phones record it."""
        voice = self._attachment(place.model, "voice-message.ogg", data)
        voice.content_type, voice.voice_s = "audio/ogg", 1.5
        flags = int(MessageFlag.IS_VOICE_MESSAGE)
        return self._post(place.model, Draft(author=self.user, attachments=[voice], flags=flags))

    def post(self, forum: Place, title: str, text: str, *, files: Files | None = None) -> Place:
        """Make a post in a forum: a thread whose first message has its id."""
        self._site.world.demand(forum.model, self.id, Permission.SEND_MESSAGES)
        plan = ThreadPlan(name=title, by=self.user)
        thread = places.open_thread(self._site.world, forum.model, plan)
        attachments = [self._attachment(thread, name, data) for name, data in (files or {}).items()]
        self._post(thread, Draft(author=self.user, content=text, attachments=attachments, message_id=thread.id))
        return Place(self._site, thread)

    def edit(self, message: Message, text: str) -> None:
        """Change the text of an own message."""
        if message.author.id != self.id:
            raise errors.other_users_message()
        posting.edit(self._site.world, self._channel(message), message, Change(content=text))

    def delete(self, message: Message) -> None:
        """Delete an own message, or any as a moderator."""
        channel = self._channel(message)
        if message.author.id != self.id:
            self._site.world.demand(channel, self.id, Permission.MANAGE_MESSAGES)
        posting.delete(self._site.world, channel, message)

    def rename(self, place: Place, name: str) -> None:
        """Give a thread or channel another name."""
        places.rename(self._site.world, place.model, name, self.user)

    def react(self, message: Message, emoji: str) -> None:
        posting.react(self._site.world, self._channel(message), message, self.user, emoji)

    def start_thread(
        self, place: Place, name: str, *, on: Message | None = None, private: bool = False
    ) -> Place:
        """Open a thread, on a message or on its own; the person is in it."""
        needed = Permission.CREATE_PRIVATE_THREADS if private else Permission.CREATE_PUBLIC_THREADS
        self._site.world.demand(place.model, self.id, needed)
        plan = ThreadPlan(name=name, by=self.user, private=private)
        return Place(self._site, places.open_thread(self._site.world, place.model, plan, on))

    def add_to_thread(self, thread: Place, user: User) -> None:
        """Bring another member into a thread; mentioning them there does the same in Discord."""
        places.join_thread(self._site.world, thread.model, user)

    # Interactions

    def slash(self, place: Place, command: str, **values: options.Value) -> Attempt:
        """Run `/name`, `/group sub` or `/group sub sub` with options by name.

        A file is given as `(name, bytes)`; a member, role or channel as itself.
        """
        found, words = self._command(place, command)
        built = options.Builder(self._site, place.model, self)
        data = built.command(found, words, values, focused=None)
        return self._begin(Kind.COMMAND, place.model, data)

    def autocomplete(
        self, place: Place, command: str, focused: str, text: str = "", **others: options.Value
    ) -> Attempt:
        """Type `text` into the option `focused`; the outcome has `choices`."""
        found, words = self._command(place, command)
        built = options.Builder(self._site, place.model, self)
        data = built.command(found, words, {**others, focused: text}, focused=focused)
        return self._begin(Kind.AUTOCOMPLETE, place.model, data)

    def message_menu(self, message: Message, name: str) -> Attempt:
        """Choose the app's entry `name` in the message's context menu."""
        channel = self._channel(message)
        command = self._visible_command(channel, name, kind=3)
        built = options.Builder(self._site, channel, self)
        data = built.message_menu(command, message)
        return self._begin(Kind.COMMAND, channel, data, target_message=message)

    def user_menu(self, place: Place, target: User, name: str) -> Attempt:
        """Choose the app's entry `name` in a user's context menu."""
        command = self._visible_command(place.model, name, kind=2)
        built = options.Builder(self._site, place.model, self)
        return self._begin(Kind.COMMAND, place.model, built.user_menu(command, target))

    def click(self, message: Message, button: str, *, stale: bool = False) -> Attempt:
        """Press the button with this label, custom_id, or emoji.

        `stale` presses a custom_id that is no longer shown, as a client does that has not yet seen an edit.
        """
        if stale:
            data: Json = {"custom_id": button, "component_type": int(Part.BUTTON), "id": 1}
            return self._use(message, data)
        part = self._control(message, button, frozenset({Part.BUTTON}))
        return self._use(message, {"custom_id": part["custom_id"], "component_type": 2, "id": part["id"]})

    def select(self, message: Message, menu: str | None, *chosen: options.Value) -> Attempt:
        """Choose in the select with this placeholder or custom_id (None: the only one), by label or value."""
        part = self._control(message, menu, SELECTS)
        built = options.Builder(self._site, self._channel(message), self)
        data: Json = {"custom_id": part["custom_id"], "component_type": part["type"], "id": part["id"]}
        data.update(built.selection(part, list(chosen)))
        return self._use(message, data)

    def submit_modal(self, opened: Outcome, values: Mapping[str, options.Value]) -> Attempt:
        """Fill the dialog in by label or custom_id, and submit. What is not named keeps what it shows."""
        if opened.modal is None:
            raise NotOffered("no dialog is open")
        built = options.Builder(self._site, opened.interaction.channel, self)
        data = built.modal(opened.modal, dict(values))
        return self._begin(Kind.MODAL, opened.interaction.channel, data, trigger=opened.interaction)

    # Inside

    def _begin(
        self,
        kind: Kind,
        channel: Channel,
        data: Json,
        *,
        source: Message | None = None,
        trigger: Interaction | None = None,
        target_message: Message | None = None,
    ) -> Attempt:
        made = self._site.interactions.create(
            kind,
            self.user,
            channel,
            data,
            source=source,
            trigger=trigger,
            target_message=target_message,
            seen=self._seen(source, trigger),
        )
        return Attempt(self._site, made)

    def _seen(self, source: Message | None, trigger: Interaction | None) -> float:
        """When the control that is used appeared to the person, and its answer reached the bot."""
        if source is not None:
            changed = source.revisions[-1].until if source.revisions else source.created
            return changed + self._site.settings.latency_s
        return trigger.acked_at + self._site.settings.latency_s if trigger is not None else 0.0

    def _use(self, message: Message, data: Json) -> Attempt:
        channel = self._channel(message)
        if message.deleted or (message.ephemeral_to not in (None, self.id)):
            raise NotOffered("this person does not see the message")
        return self._begin(Kind.COMPONENT, channel, data, source=message)

    def _control(self, message: Message, wanted: str | None, kinds: frozenset[Part]) -> Json:
        there = [part for part in walk(message.components) if part["type"] in kinds and "custom_id" in part]
        for part in there:
            emoji = (part.get("emoji") or {}).get("name")
            names = (part["custom_id"], part.get("label"), part.get("placeholder"), emoji)
            if wanted is None or wanted in names:
                if part.get("disabled"):
                    raise NotOffered(f"{wanted!r} is disabled")
                return part
        names_there = [part.get("label") or part.get("placeholder") or part["custom_id"] for part in there]
        raise NotOffered(f"no control {wanted!r}; there is {names_there}")

    def _command(self, place: Place, command: str) -> tuple[Json, list[str]]:
        name, *words = command.removeprefix("/").split()
        return self._visible_command(place.model, name, kind=1), words

    def _visible_command(self, channel: Channel, name: str, kind: int) -> Json:
        """The command as registered, if Discord's client shows it to this person here."""
        found = self._site.commands.find(channel.guild_id, name, kind)
        bits = self._site.world.permissions(channel, self.id)
        if found is None or not bits & Permission.USE_APPLICATION_COMMANDS:
            raise NotOffered(f"no command {name!r} here")
        needed = found.spec.get("default_member_permissions")
        admin = bool(bits & Permission.ADMINISTRATOR)
        if needed is not None and not admin and (int(needed) == 0 or bits & int(needed) != int(needed)):
            raise NotOffered(f"{name!r} is hidden from {self.user.name}")
        contexts = found.spec.get("contexts")
        guild_only = found.guild_id is not None or found.spec.get("dm_permission") is False
        if channel.guild_id is None and (guild_only or (contexts is not None and 1 not in contexts)):
            raise NotOffered(f"{name!r} is not offered in DMs")
        return {**found.spec, "id": str(found.id), "guild_id": found.guild_id}

    def _channel(self, message: Message) -> Channel:
        channel = self._site.world.channel(message.channel_id)
        self._site.world.demand(channel, self.id)
        return channel

    def _post(self, channel: Channel, draft: Draft) -> Message:
        needed = Permission.SEND_MESSAGES if channel.thread is None else Permission.SEND_MESSAGES_IN_THREADS
        self._site.world.demand(channel, self.id, needed)
        if channel.thread is not None and channel.thread.locked:
            self._site.world.demand(channel, self.id, Permission.MANAGE_THREADS)
        if channel.thread is not None:
            channel.thread.members.setdefault(self.id, self._site.clock.now())
        return posting.post(self._site.world, channel, draft)

    def _attachment(self, channel: Channel, name: str, data: bytes) -> Attachment:
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Attachment(self._site.world.next_id(), channel.id, name, data, kind)
