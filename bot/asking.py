"""Commands that ask Claude, such as `/claude`: open a session where needed, send the prompt, reply.

The request is stored in the inbox row first, and every step may be repeated. If a crash cuts it, the next start
of the bot finishes it (`cut_interactions.py`).
"""

from functools import partial

import discord
import msgspec

from api import GetSession, SendMessage, SessionInfo
from api.access import Action, Actor, authorize
from bot.attachments import IncomingFile, fetch_files, with_files
from bot.bodies import Plain
from bot.entry import Reply, external_id
from bot.errors import Refused
from bot.face import Face
from bot.inbox_rows import describe_inbox_row
from bot.markdown.cards import escape_inline, shortened
from bot.opening import Opener, Spot, Wish
from bot.prompt_making import PromptMaker
from bot.readable_names import names_of_guild, readable
from bot.rows import Place
from bot.scopes import SessionScope
from bot.session_lookup import session_place
from bot.unseen_files import about_files
from faults import crash_point
from sessions.model import Lifecycle, PermissionMode

ASKED = "asked"
_MAX_SHOWN = 900


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt that was asked with a command. `origin` is the core's key. A new thread starts from the message
    `anchor_id`. `words` are the author's own, if the prompt has others too. `token`, `application_id` are for
    editing the loading message.
    """

    origin: str
    user_id: int
    role_ids: tuple[int, ...]
    guild_id: int
    channel_id: int
    prompt: str
    application_id: int
    token: str
    anchor_id: int | None = None
    files: tuple[IncomingFile, ...] = ()
    title: str = ""
    words: str = ""
    project: str = ""
    model: str = ""
    mode: PermissionMode | None = None
    user_name: str = ""


class Asker:
    """Sends prompts that were asked with a command. Methods raise `SessionError`, `discord.HTTPException`."""

    def __init__(self, face: Face, client: discord.Client, opener: Opener, maker: PromptMaker) -> None:
        self._face = face
        self._client = client
        self._opener = opener
        self._maker = maker

    async def check(self, reply: Reply) -> None:
        """Raise `NotAllowed` unless the reply's actor may ask where they are."""
        interaction = reply.interaction
        here = await session_place(self._face, interaction.channel_id or 0, interaction.user.id)
        if here is not None and here.kind is SessionScope.THREAD:
            await self._face.check(reply.actor, Action.PROMPT, here.session_id)
        else:
            authorize(reply.actor, Action.CREATE)

    async def ask(self, reply: Reply, asked: Asked) -> None:
        """Carry the request out and show it in the channel. Raises `NotAllowed` before anything is shown."""
        # First: the loading message is public, and a refusal is for the person alone.
        await self.check(reply)
        await reply.think(ephemeral=False)
        if asked.anchor_id is None:
            # The thread opens on the loading message, which exists by now.
            asked = msgspec.structs.replace(asked, anchor_id=reply.message_id)
        name = external_id(reply.interaction)
        # From here on nothing is lost: after a crash the next start reads the whole request from this row.
        await self._face.db.write([describe_inbox_row(name, ASKED, msgspec.to_builtins(asked))])
        crash_point("asked-stored")
        await reply.say(await self.do(reply.actor, asked), ephemeral=False)

    async def do(self, actor: Actor, asked: Asked) -> Plain:
        """Open the session, send the prompt, and return the reply. Repeated calls have no second effect."""
        names = names_of_guild(self._client, asked.guild_id)
        prompt = await self._maker.named(readable(asked.prompt, names), asked.guild_id)
        asked = msgspec.structs.replace(asked, prompt=prompt)
        place, info = await self._session(actor, asked)
        speaker = await self._maker.speaker(actor, info.id, asked.user_name)
        # The interaction's id names the folder of its files, as a message's id does.
        message_id = int(asked.origin.rpartition(":")[2])
        store = partial(self._face.core.put_file, actor)
        fetched = await fetch_files(store, info.id, message_id, asked.files, self._face.options)
        wish = SendMessage(
            session_id=info.id,
            content=with_files(speaker + asked.prompt, fetched.files),
            origin=asked.origin,
            attachments=fetched.files,
            title=asked.words or asked.prompt,
        )
        await self._face.core.perform(actor, wish)
        if place.kind is SessionScope.THREAD and place.channel_id != asked.channel_id:
            await self._opener.bring_in(actor, place.channel_id)
        return Plain("\n".join([_said(asked, place), *fetched.troubles, *about_files(fetched.files)])[:2000])

    async def _session(self, actor: Actor, asked: Asked) -> tuple[Place, SessionInfo]:
        """Return the session of the thread where the prompt was asked, or a new one."""
        here = await session_place(self._face, asked.channel_id, asked.user_id)
        if here is not None and here.kind is SessionScope.THREAD:
            info = await self._face.core.perform(actor, GetSession(session_id=here.session_id))
            if info.lifecycle is not Lifecycle.ENDED and asked.project not in ("", info.project):
                raise Refused("This thread has a session with its project. Name another one outside of it.")
            if info.lifecycle is not Lifecycle.ENDED:
                return here, info
        wish = Wish(
            asked.title or asked.words or asked.prompt, asked.title, asked.project, asked.model, asked.mode
        )
        spot = Spot(asked.guild_id, asked.channel_id, anchor_id=asked.anchor_id)
        return await self._opener.open(actor, spot, wish)


def _said(asked: Asked, place: Place) -> str:
    prompt = escape_inline(shortened(asked.prompt, _MAX_SHOWN), _MAX_SHOWN)
    where = "" if place.channel_id == asked.channel_id else f"\n-# In <#{place.channel_id}>"
    return f"<@{asked.user_id}> asks Claude:\n> {prompt}{where}"


def asked_by(reply: Reply, prompt: str) -> Asked:
    """Return the request of the interaction of `reply`; add the command's other options with `replace`."""
    interaction = reply.interaction
    return Asked(
        origin=reply.origin,
        user_id=interaction.user.id,
        user_name=interaction.user.display_name,
        role_ids=tuple(int(each.rpartition(":")[2]) for each in reply.actor.group_ids),
        guild_id=interaction.guild_id or 0,
        channel_id=interaction.channel_id or 0,
        prompt=prompt,
        application_id=interaction.application_id,
        token=interaction.token,
    )
