"""REST routes of messages: create, edit, delete, history, reactions, pins, typing."""

from __future__ import annotations

from dataclasses import replace  # noqa: TID251

from . import errors, message_payload, payloads, posting
from .drafts import read_change, read_draft, replied_to
from .model import Channel, Json, Message, MessageFlag, MessageType
from .permissions import Permission
from .site import Answer, Call, RateRefused, Route, Site

_SYSTEM = frozenset({MessageType.THREAD_STARTER, MessageType.CHANNEL_NAME_CHANGE, MessageType.THREAD_CREATED})


def create_message(site: Site, call: Call) -> Answer:
    world = site.world
    channel = world.channel(call.id("channel_id"))
    _demand_send(site, channel)
    if call.files:
        world.demand(channel, world.bot.id, Permission.ATTACH_FILES)
    nonce = str(call.body["nonce"]) if call.body.get("nonce") is not None else None
    draft = read_draft(site, channel, call, call.body, interaction=False)
    if nonce is not None and call.body.get("enforce_nonce"):
        first = site.nonces.find(world.bot.id, nonce)
        if first is not None and not first.deleted:
            return Answer(
                200, message_payload.rest(world, world.channel(first.channel_id), first, with_nonce=True)
            )
    made = posting.post(world, channel, replace(draft, reply_to=replied_to(site, channel, call.body)))
    site.typing.pop(channel.id, None)
    if nonce is not None:
        site.nonces.remember(world.bot.id, nonce, made)
    return Answer(200, message_payload.rest(world, channel, made, with_nonce=True))


def edit_message(site: Site, call: Call) -> Answer:
    world = site.world
    channel, message = _find(site, call)
    _demand_unarchived(channel)
    if message.type in _SYSTEM:
        raise errors.system_message()
    if message.author.id != world.bot.id:
        if set(call.body) - {"flags"}:
            raise errors.other_users_message()
        world.demand(channel, world.bot.id, Permission.MANAGE_MESSAGES)
    change = read_change(site, channel, message, call, call.body)
    if site.clock.now() - message.created > site.rate_limits.settings.old_after_s:
        refused = site.rate_limits.take_old_edit(channel.id)
        if refused is not None:
            raise RateRefused(refused)
    posting.edit(world, channel, message, change)
    return Answer(200, message_payload.rest(world, channel, message))


def delete_message(site: Site, call: Call) -> Answer:
    channel, message = _find(site, call)
    _demand_may_delete(site, channel, message)
    posting.delete(site.world, channel, message)
    return Answer(204)


def bulk_delete(site: Site, call: Call) -> Answer:
    channel = site.world.channel(call.id("channel_id"))
    site.world.demand(channel, site.world.bot.id, Permission.MANAGE_MESSAGES)
    for message_id in call.body.get("messages", []):
        message = channel.messages.get(int(message_id))
        if message is not None:
            posting.delete(site.world, channel, message)
    return Answer(204)


def get_message(site: Site, call: Call) -> Answer:
    channel, message = _find(site, call)
    return Answer(200, message_payload.rest(site.world, channel, message))


def list_messages(site: Site, call: Call) -> Answer:
    """Newest first; `after` gives the oldest ones after it, still newest first."""
    world = site.world
    channel = world.channel(call.id("channel_id"))
    world.demand(channel, world.bot.id)
    limit = int(call.query.get("limit", 50))
    if not 1 <= limit <= 100:
        text = "int value should be between 1 and 100."
        raise errors.invalid_form([errors.Problem(("limit",), "NUMBER_TYPE_RANGE", text)])
    if not world.permissions(channel, world.bot.id) & Permission.READ_MESSAGE_HISTORY:
        return Answer(200, [])
    ids = _page(sorted(channel.messages), call.query, limit)
    return Answer(200, [message_payload.rest(world, channel, channel.messages[one]) for one in reversed(ids)])


def _page(ids: list[int], query: dict[str, str], limit: int) -> list[int]:
    if "before" in query:
        return [one for one in ids if one < int(query["before"])][-limit:]
    if "after" in query:
        return [one for one in ids if one > int(query["after"])][:limit]
    if "around" in query:
        middle, half = int(query["around"]), limit // 2
        before = [one for one in ids if one < middle][-half:] if half else []
        return before + [one for one in ids if one >= middle][: limit - len(before)]
    return ids[-limit:]


def typing(site: Site, call: Call) -> Answer:
    channel = site.world.channel(call.id("channel_id"))
    _demand_send(site, channel)
    site.typing[channel.id] = site.clock.now()
    site.world.changed()
    return Answer(204)


def add_reaction(site: Site, call: Call) -> Answer:
    channel, message = _find(site, call)
    _demand_unarchived(channel)
    site.world.demand(channel, site.world.bot.id, Permission.READ_MESSAGE_HISTORY)
    if call.params["emoji_name"] not in message.reactions:
        site.world.demand(channel, site.world.bot.id, Permission.ADD_REACTIONS)
    posting.react(site.world, channel, message, site.world.bot, call.params["emoji_name"])
    return Answer(204)


def remove_own_reaction(site: Site, call: Call) -> Answer:
    channel, message = _find(site, call)
    _demand_unarchived(channel)
    posting.unreact(site.world, channel, message, site.world.bot, call.params["emoji_name"])
    return Answer(204)


def remove_reaction(site: Site, call: Call) -> Answer:
    channel, message = _find(site, call)
    site.world.demand(channel, site.world.bot.id, Permission.MANAGE_MESSAGES)
    user = site.world.users.get(call.id("user_id"))
    if user is None:
        raise errors.unknown_user()
    posting.unreact(site.world, channel, message, user, call.params["emoji_name"])
    return Answer(204)


def clear_reactions(site: Site, call: Call) -> Answer:
    channel, message = _find(site, call)
    site.world.demand(channel, site.world.bot.id, Permission.MANAGE_MESSAGES)
    emoji = call.params.get("emoji_name")
    for one in [emoji] if emoji is not None else list(message.reactions):
        for user_id in list(message.reactions.get(one, [])):
            posting.unreact(site.world, channel, message, site.world.users[user_id], one)
    return Answer(204)


def list_reactions(site: Site, call: Call) -> Answer:
    _, message = _find(site, call)
    users = message.reactions.get(call.params["emoji_name"], [])
    return Answer(200, [payloads.user(site.world.users[user]) for user in users])


def pin(site: Site, call: Call) -> Answer:
    channel, message = _find(site, call)
    _demand_pin(site, channel)
    if sum(one.pinned for one in channel.messages.values()) >= 250:
        raise errors.ApiError(400, 30003, "Maximum number of pins reached (250)")
    posting.pin(site.world, channel, message, site.world.bot)
    return Answer(204)


def unpin(site: Site, call: Call) -> Answer:
    channel, message = _find(site, call)
    _demand_pin(site, channel)
    posting.unpin(site.world, channel, message)
    return Answer(204)


def list_pins(site: Site, call: Call) -> Answer:
    channel = site.world.channel(call.id("channel_id"))
    site.world.demand(channel, site.world.bot.id)
    items: list[Json] = [
        {
            "pinned_at": payloads.timestamp(message.created),
            "message": message_payload.rest(site.world, channel, message),
        }
        for message in reversed(channel.messages.values())
        if message.pinned
    ]
    return Answer(200, {"items": items, "has_more": False})


def _find(site: Site, call: Call) -> tuple[Channel, Message]:
    channel = site.world.channel(call.id("channel_id"))
    site.world.demand(channel, site.world.bot.id)
    return channel, site.world.message(channel, call.id("message_id"))


def _demand_send(site: Site, channel: Channel) -> None:
    needed = Permission.SEND_MESSAGES if channel.thread is None else Permission.SEND_MESSAGES_IN_THREADS
    site.world.demand(channel, site.world.bot.id, needed)
    manages = site.world.permissions(channel, site.world.bot.id) & Permission.MANAGE_THREADS
    if channel.thread is not None and channel.thread.locked and not manages:
        raise errors.thread_locked()


def _demand_unarchived(channel: Channel) -> None:
    if channel.thread is not None and channel.thread.archived:
        raise errors.thread_archived()


def _demand_may_delete(site: Site, channel: Channel, message: Message) -> None:
    if message.type is MessageType.THREAD_STARTER:
        raise errors.system_message()
    if message.author.id != site.world.bot.id or message.has(MessageFlag.LOADING):
        site.world.demand(channel, site.world.bot.id, Permission.MANAGE_MESSAGES)


def _demand_pin(site: Site, channel: Channel) -> None:
    bits = site.world.permissions(channel, site.world.bot.id)
    if not bits & (Permission.PIN_MESSAGES | Permission.MANAGE_MESSAGES) and channel.guild_id is not None:
        raise errors.missing_permissions()


_MESSAGES = "/channels/{channel_id}/messages"
_MESSAGE = f"{_MESSAGES}/{{message_id}}"
_REACTIONS = f"{_MESSAGE}/reactions"
ROUTES = [
    Route("POST", _MESSAGES, create_message),
    Route("GET", _MESSAGES, list_messages),
    Route("POST", f"{_MESSAGES}/bulk-delete", bulk_delete),
    Route("GET", f"{_MESSAGES}/pins", list_pins),
    Route("PUT", f"{_MESSAGES}/pins/{{message_id}}", pin),
    Route("DELETE", f"{_MESSAGES}/pins/{{message_id}}", unpin),
    Route("GET", _MESSAGE, get_message),
    Route("PATCH", _MESSAGE, edit_message),
    Route("DELETE", _MESSAGE, delete_message),
    Route("POST", "/channels/{channel_id}/typing", typing),
    Route("PUT", f"{_REACTIONS}/{{emoji_name}}/@me", add_reaction),
    Route("DELETE", f"{_REACTIONS}/{{emoji_name}}/@me", remove_own_reaction),
    Route("DELETE", f"{_REACTIONS}/{{emoji_name}}/{{user_id}}", remove_reaction),
    Route("GET", f"{_REACTIONS}/{{emoji_name}}", list_reactions),
    Route("DELETE", f"{_REACTIONS}/{{emoji_name}}", clear_reactions),
    Route("DELETE", _REACTIONS, clear_reactions),
]
