"""REST routes of the bot's account, its guilds, its commands, and the gateway's address."""

from __future__ import annotations

from . import errors, payloads, places
from .model import ChannelType, Guild
from .site import Answer, Call, Route, Site
from .world import Event


def me(site: Site, call: Call) -> Answer:
    return Answer(200, payloads.own_user(site.world.bot))


def rename_me(site: Site, call: Call) -> Answer:
    site.world.bot.name = call.body.get("username", site.world.bot.name)
    return me(site, call)


def get_user(site: Site, call: Call) -> Answer:
    user = site.world.users.get(call.id("user_id"))
    if user is None:
        raise errors.unknown_user()
    return Answer(200, payloads.user(user))


def application(site: Site, call: Call) -> Answer:
    world = site.world
    flags = site.settings.application_flags
    return Answer(200, payloads.application(world.application_id, world.bot, world.owner, flags))


def gateway(site: Site, call: Call) -> Answer:
    return Answer(200, {"url": site.gateway_url})


def gateway_bot(site: Site, call: Call) -> Answer:
    limit = {
        "total": site.settings.session_starts_per_day,
        "remaining": site.identifies_left(),
        "reset_after": 14_400_000,
        "max_concurrency": 1,
    }
    return Answer(200, {"url": site.gateway_url, "shards": 1, "session_start_limit": limit})


def my_guilds(site: Site, call: Call) -> Answer:
    mine = [one for one in site.world.guilds.values() if site.world.bot.id in one.members]
    return Answer(200, [payloads.guild_summary(one) for one in mine])


def leave_guild(site: Site, call: Call) -> Answer:
    guild = _guild(site, call)
    del guild.members[site.world.bot.id]
    site.world.announce(Event("GUILD_DELETE", {"id": str(guild.id)}))
    return Answer(204)


def get_guild(site: Site, call: Call) -> Answer:
    return Answer(200, payloads.guild(_guild(site, call), site.world.application_id))


def list_channels(site: Site, call: Call) -> Answer:
    guild = _guild(site, call)
    mine = [c for c in site.world.channels.values() if c.guild_id == guild.id and c.thread is None]
    return Answer(200, [payloads.channel(one) for one in mine])


def create_channel(site: Site, call: Call) -> Answer:
    guild = _guild(site, call)
    kind = ChannelType(int(call.body.get("type") or 0))
    made = places.create_channel(site.world, guild, call.body["name"], kind)
    made.topic = call.body.get("topic")
    return Answer(201, payloads.channel(made))


def list_roles(site: Site, call: Call) -> Answer:
    roles = _guild(site, call).roles.values()
    return Answer(200, [payloads.role(one, position) for position, one in enumerate(roles)])


def get_member(site: Site, call: Call) -> Answer:
    member = _guild(site, call).members.get(call.id("user_id"))
    if member is None:
        raise errors.unknown_member()
    return Answer(200, payloads.member(member))


def list_members(site: Site, call: Call) -> Answer:
    if not site.settings.members_intent:
        raise errors.missing_access()
    members = _guild(site, call).members.values()
    return Answer(200, [payloads.member(one) for one in members])


def open_dm(site: Site, call: Call) -> Answer:
    user = site.world.users.get(int(call.body["recipient_id"]))
    if user is None:
        raise errors.unknown_user()
    if user.bot:
        raise errors.ApiError(400, 50007, "Cannot send messages to this user")
    return Answer(200, payloads.dm(site.world.dm(user), [user]))


def list_commands(site: Site, call: Call) -> Answer:
    found = site.commands.of(_scope(site, call))
    return Answer(200, [payloads.command(one, site.world.application_id) for one in found])


def put_commands(site: Site, call: Call) -> Answer:
    found = site.commands.overwrite(_scope(site, call), call.rows)
    return Answer(200, [payloads.command(one, site.world.application_id) for one in found])


def post_command(site: Site, call: Call) -> Answer:
    made = site.commands.upsert(_scope(site, call), call.body)
    return Answer(201, payloads.command(made, site.world.application_id))


def get_command(site: Site, call: Call) -> Answer:
    found = site.commands.get(_scope(site, call), call.id("command_id"))
    return Answer(200, payloads.command(found, site.world.application_id))


def patch_command(site: Site, call: Call) -> Answer:
    site.commands.change(_scope(site, call), call.id("command_id"), call.body)
    return get_command(site, call)


def delete_command(site: Site, call: Call) -> Answer:
    site.commands.delete(_scope(site, call), call.id("command_id"))
    return Answer(204)


def _scope(site: Site, call: Call) -> int | None:
    if call.id("application_id") != site.world.application_id:
        raise errors.ApiError(403, 20012, "You are not authorized to perform this action on this application")
    if "guild_id" not in call.params:
        return None
    try:
        return _guild(site, call).id
    except errors.ApiError:
        raise errors.missing_access() from None


def _guild(site: Site, call: Call) -> Guild:
    guild = site.world.guilds.get(call.id("guild_id"))
    if guild is None or site.world.bot.id not in guild.members:
        raise errors.unknown_guild()
    return guild


_GUILD = "/guilds/{guild_id}"
_GLOBAL = "/applications/{application_id}/commands"
_IN_GUILD = "/applications/{application_id}/guilds/{guild_id}/commands"
ROUTES = [
    Route("GET", "/users/@me", me),
    Route("PATCH", "/users/@me", rename_me),
    Route("GET", "/users/@me/guilds", my_guilds),
    Route("DELETE", "/users/@me/guilds/{guild_id}", leave_guild),
    Route("POST", "/users/@me/channels", open_dm),
    Route("GET", "/users/{user_id}", get_user),
    Route("GET", "/oauth2/applications/@me", application),
    Route("GET", "/applications/@me", application),
    Route("GET", "/gateway", gateway),
    Route("GET", "/gateway/bot", gateway_bot),
    Route("GET", _GUILD, get_guild),
    Route("GET", f"{_GUILD}/channels", list_channels),
    Route("POST", f"{_GUILD}/channels", create_channel),
    Route("GET", f"{_GUILD}/roles", list_roles),
    Route("GET", f"{_GUILD}/members", list_members),
    Route("GET", f"{_GUILD}/members/{{user_id}}", get_member),
    *(
        route
        for base in (_GLOBAL, _IN_GUILD)
        for route in (
            Route("GET", base, list_commands),
            Route("PUT", base, put_commands),
            Route("POST", base, post_command),
            Route("GET", f"{base}/{{command_id}}", get_command),
            Route("PATCH", f"{base}/{{command_id}}", patch_command),
            Route("DELETE", f"{base}/{{command_id}}", delete_command),
        )
    ),
]
