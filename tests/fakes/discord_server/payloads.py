"""The model as Discord's JSON. Answers for every field that REST and gateway send; decides nothing."""

from __future__ import annotations

from datetime import UTC, datetime

from .components import attachment_url
from .model import (
    Attachment,
    Channel,
    ChannelType,
    Command,
    Guild,
    Json,
    Member,
    Message,
    Poll,
    Role,
    ThreadState,
    User,
)
from .permissions import EVERYTHING


def timestamp(seconds: float) -> str:
    """ISO 8601 in UTC with microseconds, as Discord writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def user(of: User) -> Json:
    body: Json = {
        "id": str(of.id),
        "username": of.name,
        "global_name": None if of.bot or of.webhook else of.name,
        "discriminator": "0001" if of.bot else "0000" if of.webhook else "0",
        "avatar": None,
        "public_flags": 0,
        "flags": 0,
        "primary_guild": None,
    }
    if of.bot or of.webhook:
        body["bot"] = True
    return body


def own_user(of: User) -> Json:
    """The bot's own account, as `GET /users/@me` shows it."""
    return {**user(of), "mfa_enabled": True, "locale": "en-US", "verified": True, "email": None}


def member(of: Member, *, with_user: bool = True) -> Json:
    body: Json = {
        "nick": of.nick,
        "roles": [str(role) for role in of.roles],
        "joined_at": timestamp(of.joined),
        "avatar": None,
        "banner": None,
        "communication_disabled_until": None,
        "premium_since": None,
        "pending": False,
        "flags": 0,
        "mute": False,
        "deaf": False,
    }
    if with_user:
        body["user"] = user(of.user)
    return body


def role(of: Role, position: int) -> Json:
    body: Json = {
        "id": str(of.id),
        "name": of.name,
        "permissions": str(of.permissions),
        "position": position,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": of.bot_id is not None,
        "mentionable": of.mentionable,
        "icon": None,
        "unicode_emoji": None,
        "flags": 0,
    }
    if of.bot_id is not None:
        body["tags"] = {"bot_id": str(of.bot_id)}
    return body


def channel(of: Channel, viewer: int | None = None) -> Json:
    """A guild channel, thread or DM; `viewer` is whose thread membership is included."""
    if of.thread is not None:
        return _thread(of, of.thread, viewer)
    body: Json = {
        "id": str(of.id),
        "type": int(of.type),
        "flags": 0,
        "last_message_id": _id(of.last_message_id),
    }
    if of.type is ChannelType.DM:
        return body
    body.update(
        guild_id=str(of.guild_id),
        name=of.name,
        position=0,
        parent_id=_id(of.parent_id),
        topic=of.topic,
        nsfw=False,
        rate_limit_per_user=0,
        permission_overwrites=[
            {"id": str(o.target_id), "type": 0 if o.is_role else 1, "allow": str(o.allow), "deny": str(o.deny)}
            for o in of.overwrites.values()
        ],
    )
    if of.type is ChannelType.FORUM:
        body.update(
            available_tags=of.tags,
            flags=(1 << 4) if of.requires_tag else 0,
            default_reaction_emoji=None,
            default_sort_order=None,
            default_forum_layout=0,
        )
    if of.type in (ChannelType.VOICE, ChannelType.STAGE):
        body.update(bitrate=64_000, user_limit=0, rtc_region=None, video_quality_mode=1)
    return body


def dm(of: Channel, recipients: list[User]) -> Json:
    return {**channel(of), "recipients": [user(recipient) for recipient in recipients]}


def _thread(of: Channel, state: ThreadState, viewer: int | None) -> Json:
    body: Json = {
        "id": str(of.id),
        "type": int(of.type),
        "flags": 0,
        "guild_id": str(of.guild_id),
        "parent_id": _id(of.parent_id),
        "name": of.name,
        "owner_id": str(state.owner_id),
        "last_message_id": _id(of.last_message_id),
        "rate_limit_per_user": 0,
        "message_count": min(state.total_sent, 50),
        "member_count": min(len(state.members), 50),
        "total_message_sent": state.total_sent,
        "thread_metadata": {
            "archived": state.archived,
            "archive_timestamp": timestamp(state.archive_changed or state.created),
            "auto_archive_duration": state.auto_archive_minutes,
            "locked": state.locked,
            "create_timestamp": timestamp(state.created),
        },
    }
    if of.type is ChannelType.PRIVATE_THREAD:
        body["thread_metadata"]["invitable"] = state.invitable
    if state.applied_tags:
        body["applied_tags"] = [str(tag) for tag in state.applied_tags]
    if viewer is not None and viewer in state.members:
        body["member"] = thread_member(of, viewer)
    return body


def thread_member(of: Channel, user_id: int) -> Json:
    assert of.thread is not None
    joined = of.thread.members[user_id]
    return {"id": str(of.id), "user_id": str(user_id), "join_timestamp": timestamp(joined), "flags": 0}


def attachment(of: Attachment, cdn: str) -> Json:
    url = attachment_url(of, cdn)
    body: Json = {
        "id": str(of.id),
        "filename": of.filename,
        "size": len(of.data),
        "url": url,
        "proxy_url": url,
        "content_type": of.content_type,
    }
    if of.description is not None:
        body["description"] = of.description
    if of.ephemeral:
        body["ephemeral"] = True
    if of.voice_s is not None:
        body.update(duration_secs=of.voice_s, waveform="AAAA")
    return body


def poll(of: Poll, viewer: int) -> Json:
    counts = [
        {"id": number, "count": len(voters), "me_voted": viewer in voters}
        for number, voters in enumerate(of.votes, 1)
        if voters
    ]
    return {
        "question": {"text": of.question},
        "answers": [
            {"answer_id": number, "poll_media": {"text": answer}} for number, answer in enumerate(of.answers, 1)
        ],
        "expiry": timestamp(of.ends),
        "allow_multiselect": of.multiple,
        "layout_type": 1,
        "results": {"answer_counts": counts, "is_finalized": of.has_ended},
    }


def command(of: Command, application_id: int) -> Json:
    """A registered command with Discord's defaults for what the request left out."""
    body: Json = {
        "default_member_permissions": None,
        "nsfw": False,
        "name_localizations": None,
        "description_localizations": None,
        "description": "",
        "type": 1,
    }
    body.update({key: value for key, value in of.spec.items() if value is not None})
    body.update(id=str(of.id), application_id=str(application_id), version=str(of.version))
    if of.guild_id is not None:
        body["guild_id"] = str(of.guild_id)
    else:
        body.setdefault("dm_permission", True)
    if body.get("default_member_permissions") is not None:
        body["default_member_permissions"] = str(body["default_member_permissions"])
    return body


def application(application_id: int, bot: User, owner: User, flags: int) -> Json:
    return {
        "id": str(application_id),
        "name": bot.name,
        "icon": None,
        "description": "",
        "type": None,
        "verify_key": "0" * 64,
        "flags": flags,
        "flags_new": str(flags),
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "owner": user(owner),
        "bot": user(bot),
        "bot_public": False,
        "bot_require_code_grant": False,
        "approximate_guild_count": 1,
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "team": None,
        "eligible_oauth2_scopes": [],
    }


def guild(of: Guild, application_id: int) -> Json:
    """`GET /guilds/{id}`; the gateway adds channels, members and threads to it."""
    return {
        "id": str(of.id),
        "name": of.name,
        "icon": None,
        "description": None,
        "home_header": None,
        "splash": None,
        "discovery_splash": None,
        "features": [],
        "banner": None,
        "owner_id": str(of.owner_id),
        "application_id": None,
        "region": "us-west",
        "afk_channel_id": None,
        "afk_timeout": 300,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "widget_enabled": False,
        "widget_channel_id": None,
        "verification_level": 0,
        "roles": [role(one, position) for position, one in enumerate(of.roles.values())],
        "default_message_notifications": 0,
        "mfa_level": 0,
        "explicit_content_filter": 0,
        "max_presences": None,
        "max_members": 250000,
        "max_stage_video_channel_users": 50,
        "max_video_channel_users": 25,
        "vanity_url_code": None,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "preferred_locale": "en-US",
        "rules_channel_id": None,
        "safety_alerts_channel_id": None,
        "public_updates_channel_id": None,
        "premium_progress_bar_enabled": False,
        "nsfw": False,
        "nsfw_level": 0,
        "emojis": [],
        "stickers": [],
        "incidents_data": None,
    }


def guild_summary(of: Guild) -> Json:
    """One entry of `GET /users/@me/guilds`."""
    return {
        "id": str(of.id),
        "name": of.name,
        "icon": None,
        "banner": None,
        "owner": False,
        "permissions": str(EVERYTHING),
        "features": [],
    }


def reactions(of: Message, viewer: int) -> list[Json]:
    return [
        {
            "emoji": {"id": None, "name": emoji},
            "count": len(users),
            "count_details": {"burst": 0, "normal": len(users)},
            "burst_colors": [],
            "me_burst": False,
            "me": viewer in users,
        }
        for emoji, users in of.reactions.items()
        if users
    ]


def _id(value: int | None) -> str | None:
    return None if value is None else str(value)
