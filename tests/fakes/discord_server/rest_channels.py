"""REST routes of channels and threads: read, change, open, join, list."""

from __future__ import annotations

from dataclasses import replace  # noqa: TID251

from . import errors, limits, message_payload, payloads, places, posting
from .drafts import read_draft
from .model import Channel, ChannelType, Json
from .permissions import Permission
from .places import ThreadPlan
from .site import Answer, Call, RateRefused, Route, Site


def get_channel(site: Site, call: Call) -> Answer:
    return Answer(200, _shown(site, _visible(site, call)))


def edit_channel(site: Site, call: Call) -> Answer:
    """Rename, archive, lock, tag. Names have their own limit, which no header announces."""
    channel = _visible(site, call)
    if channel.thread is not None:
        _demand_thread_edit(site, channel, call.body)
        limits.check_thread({"name": channel.name, **call.body})
    else:
        site.world.demand(channel, site.world.bot.id, Permission.MANAGE_CHANNELS)
        limits.check_name({"name": channel.name, **call.body})
    if (
        call.body.get("name", channel.name) != channel.name
        or call.body.get("topic", channel.topic) != channel.topic
    ):
        refused = site.rate_limits.take_rename(channel.id)
        if refused is not None:
            raise RateRefused(refused)
    _apply(site, channel, call.body)
    return Answer(200, _shown(site, channel))


def delete_channel(site: Site, call: Call) -> Answer:
    channel = _visible(site, call)
    if channel.type is ChannelType.DM:
        return Answer(200, _shown(site, channel))
    needed = Permission.MANAGE_CHANNELS if channel.thread is None else Permission.MANAGE_THREADS
    site.world.demand(channel, site.world.bot.id, needed)
    shown = _shown(site, channel)
    places.delete_channel(site.world, channel)
    return Answer(200, shown)


def thread_from_message(site: Site, call: Call) -> Answer:
    parent = _visible(site, call)
    message = site.world.message(parent, call.id("message_id"))
    site.world.demand(parent, site.world.bot.id, Permission.CREATE_PUBLIC_THREADS)
    limits.check_thread(call.body)
    thread = places.open_thread(site.world, parent, _plan(site, call.body, private=False), message)
    return Answer(201, _shown(site, thread))


def create_thread(site: Site, call: Call) -> Answer:
    """A thread without a message, or a forum post with its first message."""
    parent = _visible(site, call)
    limits.check_thread(call.body)
    if parent.type is ChannelType.FORUM:
        return _forum_post(site, call, parent)
    private = int(call.body.get("type", ChannelType.PRIVATE_THREAD)) == ChannelType.PRIVATE_THREAD
    needed = Permission.CREATE_PRIVATE_THREADS if private else Permission.CREATE_PUBLIC_THREADS
    site.world.demand(parent, site.world.bot.id, needed)
    thread = places.open_thread(site.world, parent, _plan(site, call.body, private=private))
    return Answer(201, _shown(site, thread))


def join(site: Site, call: Call) -> Answer:
    thread = _thread(site, call)
    _demand_unarchived(thread)
    places.join_thread(site.world, thread, site.world.bot)
    return Answer(204)


def leave(site: Site, call: Call) -> Answer:
    thread = _thread(site, call)
    _demand_unarchived(thread)
    places.leave_thread(site.world, thread, site.world.bot)
    return Answer(204)


def add_member(site: Site, call: Call) -> Answer:
    thread, guild = _thread(site, call), site.world.guilds
    _demand_unarchived(thread)
    user = site.world.users.get(call.id("user_id"))
    if user is None or user.id not in guild[thread.guild_id or 0].members:
        raise errors.unknown_member()
    places.join_thread(site.world, thread, user)
    return Answer(204)


def remove_member(site: Site, call: Call) -> Answer:
    thread = _thread(site, call)
    _demand_unarchived(thread)
    user = site.world.users.get(call.id("user_id"))
    if user is None:
        raise errors.unknown_user()
    assert thread.thread is not None
    if thread.thread.owner_id != site.world.bot.id:
        site.world.demand(thread, site.world.bot.id, Permission.MANAGE_THREADS)
    places.leave_thread(site.world, thread, user)
    return Answer(204)


def list_members(site: Site, call: Call) -> Answer:
    thread = _thread(site, call)
    assert thread.thread is not None
    return Answer(200, [payloads.thread_member(thread, user) for user in thread.thread.members])


def get_member(site: Site, call: Call) -> Answer:
    thread = _thread(site, call)
    assert thread.thread is not None
    if call.id("user_id") not in thread.thread.members:
        raise errors.unknown_member()
    return Answer(200, payloads.thread_member(thread, call.id("user_id")))


def archived_public(site: Site, call: Call) -> Answer:
    return _archived(site, call, ChannelType.PUBLIC_THREAD)


def archived_private(site: Site, call: Call) -> Answer:
    site.world.demand(_visible(site, call), site.world.bot.id, Permission.MANAGE_THREADS)
    return _archived(site, call, ChannelType.PRIVATE_THREAD)


def archived_private_joined(site: Site, call: Call) -> Answer:
    return _archived(site, call, ChannelType.PRIVATE_THREAD)


def active_threads(site: Site, call: Call) -> Answer:
    threads = [
        one
        for one in site.world.channels.values()
        if one.guild_id == call.id("guild_id")
        and one.thread
        and not one.thread.archived
        and site.world.bot_sees(one)
    ]
    return Answer(200, _threads(site, threads))


def _archived(site: Site, call: Call, kind: ChannelType) -> Answer:
    parent = _visible(site, call)
    threads = [
        one
        for one in site.world.channels.values()
        if one.parent_id == parent.id and one.type is kind and one.thread and one.thread.archived
    ]
    seen = [one for one in threads if site.world.bot_sees(one)]
    return Answer(200, _threads(site, list(reversed(seen))))


def _threads(site: Site, threads: list[Channel]) -> Json:
    bot = site.world.bot.id
    joined = [one for one in threads if one.thread is not None and bot in one.thread.members]
    return {
        "threads": [payloads.channel(one, bot) for one in threads],
        "members": [payloads.thread_member(one, bot) for one in joined],
        "has_more": False,
    }


def _forum_post(site: Site, call: Call, parent: Channel) -> Answer:
    site.world.demand(parent, site.world.bot.id, Permission.SEND_MESSAGES)
    if parent.requires_tag and not call.body.get("applied_tags"):
        raise errors.tag_required()
    plan = _plan(site, call.body, private=False)
    path = ("message",)
    draft = read_draft(site, parent, call, call.body.get("message") or {}, interaction=False, path=path)
    thread = places.open_thread(site.world, parent, plan)
    # The first message of a post has the id of its thread.
    first = posting.post(site.world, thread, replace(draft, message_id=thread.id))
    return Answer(201, {**_shown(site, thread), "message": message_payload.rest(site.world, thread, first)})


def _plan(site: Site, body: Json, *, private: bool) -> ThreadPlan:
    return ThreadPlan(
        name=body["name"],
        by=site.world.bot,
        private=private,
        invitable=body.get("invitable", True),
        auto_archive_minutes=body.get("auto_archive_duration") or 4320,
        tags=tuple(int(tag) for tag in body.get("applied_tags") or []),
    )


def _apply(site: Site, channel: Channel, body: Json) -> None:
    if "topic" in body:
        channel.topic = body["topic"]
    if channel.thread is not None:
        state = channel.thread
        state.auto_archive_minutes = body.get("auto_archive_duration", state.auto_archive_minutes)
        state.invitable = body.get("invitable", state.invitable)
        if "applied_tags" in body:
            state.applied_tags = [int(tag) for tag in body["applied_tags"]]
    if "name" in body:
        places.rename(site.world, channel, body["name"], site.world.bot)
    # After the name: the line about it would open the thread again.
    if channel.thread is not None and ("archived" in body or "locked" in body):
        archived = body.get("archived", channel.thread.archived)
        places.set_archived(site.world, channel, archived=archived, locked=body.get("locked"))
    if set(body) - {"name", "archived", "locked"}:
        places.announce_channel(site.world, channel)


def _demand_thread_edit(site: Site, thread: Channel, body: Json) -> None:
    """The creator may rename and archive; locking, and anything in others' threads, needs MANAGE_THREADS."""
    assert thread.thread is not None
    bits = site.world.permissions(thread, site.world.bot.id)
    manages = bool(bits & Permission.MANAGE_THREADS)
    own = thread.thread.owner_id == site.world.bot.id
    if not manages and (not own or "locked" in body):
        raise errors.missing_permissions()
    if thread.thread.archived and body.get("archived", True) and set(body) - {"archived", "locked"}:
        raise errors.thread_archived()
    if thread.thread.locked and not manages:
        raise errors.thread_locked()


def _demand_unarchived(thread: Channel) -> None:
    assert thread.thread is not None
    if thread.thread.archived:
        raise errors.thread_archived()


def _visible(site: Site, call: Call) -> Channel:
    channel = site.world.channel(call.id("channel_id"))
    site.world.demand(channel, site.world.bot.id)
    return channel


def _thread(site: Site, call: Call) -> Channel:
    channel = _visible(site, call)
    if channel.thread is None:
        raise errors.ApiError(400, 50024, "Cannot execute action on this channel type")
    return channel


def _shown(site: Site, channel: Channel) -> Json:
    if channel.type is ChannelType.DM:
        others = [site.world.users[one] for one in channel.recipients if one != site.world.bot.id]
        return payloads.dm(channel, others)
    return payloads.channel(channel, site.world.bot.id)


_CHANNEL = "/channels/{channel_id}"
_MEMBERS = f"{_CHANNEL}/thread-members"
ROUTES = [
    Route("GET", _CHANNEL, get_channel),
    Route("PATCH", _CHANNEL, edit_channel),
    Route("DELETE", _CHANNEL, delete_channel),
    Route("POST", f"{_CHANNEL}/messages/{{message_id}}/threads", thread_from_message),
    Route("POST", f"{_CHANNEL}/threads", create_thread),
    Route("GET", f"{_CHANNEL}/threads/archived/public", archived_public),
    Route("GET", f"{_CHANNEL}/threads/archived/private", archived_private),
    Route("GET", f"{_CHANNEL}/users/@me/threads/archived/private", archived_private_joined),
    Route("GET", _MEMBERS, list_members),
    Route("PUT", f"{_MEMBERS}/@me", join),
    Route("DELETE", f"{_MEMBERS}/@me", leave),
    Route("GET", f"{_MEMBERS}/{{user_id}}", get_member),
    Route("PUT", f"{_MEMBERS}/{{user_id}}", add_member),
    Route("DELETE", f"{_MEMBERS}/{{user_id}}", remove_member),
    Route("GET", "/guilds/{guild_id}/threads/active", active_threads),
]
