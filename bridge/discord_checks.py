"""Checks on the Discord side: the token, the intent, the servers, the permissions, the people."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

from bridge.discord_rest import (
    API,
    Application,
    DiscordRefused,
    DiscordRest,
    DiscordTrouble,
    DiscordUnreachable,
    Guild,
    User,
    discord_rest,
)
from bridge.findings import Finding, failed, ok, skipped, warning
from bridge.invite import ADMINISTRATOR, invite_link, lacking
from bridge.settings import Settings
from machine.own_command import typed_bridge

PORTAL = "https://discord.com/developers/applications"

# One request for each: a long list would meet Discord's rate limit, which nothing here waits for.
_MOST_PEOPLE = 25


@dataclass(frozen=True, slots=True)
class Bot:
    """The account and the application that a token belongs to."""

    user: User
    application: Application

    @property
    def invite(self) -> str:
        return invite_link(self.application.id)


@dataclass(frozen=True, slots=True)
class DiscordReport:
    """All findings about Discord, and the invite link if the token is good."""

    findings: tuple[Finding, ...]
    invite: str = ""


async def check_discord(settings: Settings, api: str = API) -> DiscordReport:
    """Check everything in the settings that concerns Discord."""
    if settings.discord_token is None:
        sentence = "There is no DISCORD_TOKEN, so the bridge is only in the terminal."
        return DiscordReport((skipped("discord", sentence, f"For Discord, run: {typed_bridge()} init"),))
    async with discord_rest(settings.discord_token.reveal(), api) as rest:
        token, bot = await check_token(rest, settings.discord_token.reveal())
        if bot is None:
            return DiscordReport((token,))
        findings = [token, check_intent(bot), check_public(bot)]
        for guild_id in sorted(settings.allowed_guild_ids):
            findings += await check_guild(rest, bot, str(guild_id), settings)
        if not settings.allowed_guild_ids:
            remedy = f"Write the server's id into ALLOWED_GUILD_IDS, or run: {typed_bridge()} init"
            findings.append(failed("servers", "No server is allowed, so the bot does not start.", remedy))
        if not (settings.allowed_user_ids or settings.allowed_role_ids or settings.admin_user_ids):
            remedy = "Write your own id into ALLOWED_USER_IDS (Discord: developer mode, then Copy User ID)."
            findings.append(failed("people", "Nobody is allowed, so the bot does not start.", remedy))
        return DiscordReport(tuple(findings), bot.invite)


async def check_token(rest: DiscordRest, token: str) -> tuple[Finding, Bot | None]:
    """Whether Discord knows the token, and the bot that it belongs to."""
    if not token.isascii() or not token.isprintable() or " " in token:
        remedy = "Copy it again: one word, without quotes and without “Bot” before it."
        return failed("token", "DISCORD_TOKEN holds characters that no token has.", remedy), None
    try:
        user, application = await asyncio.gather(rest.me(), rest.application())
    except DiscordUnreachable as trouble:
        return failed("token", str(trouble), "Check the network of this machine, then try again."), None
    except DiscordRefused as refused:
        if not refused.token_is_wrong:
            return failed("token", str(refused), f"Look at the application in {PORTAL}."), None
        remedy = f"Open {PORTAL}, your application, Bot, Reset Token, and copy the new one."
        return failed("token", "Discord does not know this DISCORD_TOKEN.", remedy), None
    return ok("token", f"The bot is {user.username}."), Bot(user, application)


def check_intent(bot: Bot) -> Finding:
    """Whether the bot may read people's messages."""
    if bot.application.reads_messages:
        return ok("intent", "The Message Content intent is on.")
    # The gateway then closes with 4014 at each start, so no restart helps.
    return failed(
        "intent",
        "The Message Content intent is off, so the bot cannot read prompts, and Discord closes its connection.",
        f"Open {PORTAL}/{bot.application.id}/bot and switch on Message Content Intent; no other is needed.",
    )


def check_public(bot: Bot) -> Finding:
    """Whether strangers can invite the bot."""
    if not bot.application.bot_public:
        return ok("invites", "Only its owner can invite the bot.")
    remedy = f"Open {PORTAL}/{bot.application.id}/bot and switch off Public Bot."
    return warning("invites", "Everybody can invite the bot; it answers only in ALLOWED_GUILD_IDS.", remedy)


async def check_guild(
    rest: DiscordRest, bot: Bot, guild_id: str, settings: Settings | None = None
) -> list[Finding]:
    """Whether the bot is in the server with the permissions it needs; with `settings`, also its users there."""
    try:
        guild = await rest.guild(guild_id)
        member = await rest.member(guild_id, bot.user.id)
        findings = [_permissions(bot, guild, member.roles)]
        return findings if settings is None else findings + await _people(rest, guild, settings)
    except DiscordRefused as refused:
        if not refused.is_absent:
            return [failed("server", f"Server {guild_id}: {refused}", "Try again.")]
        sentence = f"The bot is not in the server {guild_id} of ALLOWED_GUILD_IDS."
        return [failed("server", sentence, f"Invite it with {bot.invite} or correct the id.")]
    except DiscordTrouble as trouble:
        return [failed("server", f"Server {guild_id}: {trouble}", "Try again in a minute.")]


def _permissions(bot: Bot, guild: Guild, roles: Collection[str]) -> Finding:
    # Of the server's roles alone: a channel may still take a permission away by an overwrite.
    bits = 0
    for role in guild.roles:
        # The role @everyone has the server's id, and Discord lists it for no member over REST.
        if role.id == guild.id or role.id in roles:
            bits |= int(role.permissions)
    if missing := lacking(bits):
        sentence = f"In {guild.name} the bot lacks: {', '.join(missing)}."
        remedy = f"Invite it again with {bot.invite}, or grant this in Server Settings, Roles."
        return failed("server", sentence, remedy)
    if bits & ADMINISTRATOR:
        sentence = f"In {guild.name} the bot is an Administrator, which is far more than it needs."
        return warning("server", sentence, "Take Administrator from its role in Server Settings, Roles.")
    return ok("server", f"The bot is in {guild.name} and may do there what it must.")


async def _people(rest: DiscordRest, guild: Guild, settings: Settings) -> list[Finding]:
    findings: list[Finding] = []
    known = {role.id for role in guild.roles}
    for name, ids in (
        ("ALLOWED_ROLE_IDS", settings.allowed_role_ids),
        ("VIEWER_ROLE_IDS", settings.viewer_role_ids),
    ):
        strange = sorted(str(each) for each in ids if str(each) not in known)
        # With several servers the id may belong to another one.
        if strange and len(settings.allowed_guild_ids) == 1:
            sentence = f"{name} names no role of {guild.name}: {', '.join(strange)}."
            findings.append(
                warning("people", sentence, "Correct the id (Server Settings, Roles, Copy Role ID).")
            )
    people = sorted(settings.allowed_user_ids | settings.admin_user_ids)[:_MOST_PEOPLE]
    absent = [str(each) for each in people if not await _is_member(rest, guild.id, str(each))]
    if absent and len(settings.allowed_guild_ids) == 1:
        sentence = f"Nobody in {guild.name} has the id {', '.join(absent)}."
        remedy = "Correct ALLOWED_USER_IDS or ADMIN_USER_IDS (right click on the person, Copy User ID)."
        findings.append(warning("people", sentence, remedy))
    return findings


async def _is_member(rest: DiscordRest, guild_id: str, user_id: str) -> bool:
    try:
        await rest.member(guild_id, user_id)
    except DiscordRefused as refused:
        # Any other refusal says nothing about the person.
        return not refused.is_absent
    return True
