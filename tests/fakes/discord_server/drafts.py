"""Request bodies that describe a message, checked against the limits and read into drafts and changes."""

from __future__ import annotations

import mimetypes
from dataclasses import replace  # noqa: TID251

from . import errors, limits
from .mentions import MESSAGE_DEFAULT, WEBHOOK_DEFAULT, read_allowed
from .model import Attachment, Channel, Json, Message, MessageFlag, MessageType, User
from .permissions import Permission
from .posting import Change, Draft
from .site import Call, Site


def read_draft(
    site: Site, channel: Channel, call: Call, body: Json, *, interaction: bool, path: tuple[str | int, ...] = ()
) -> Draft:
    """The bot's message in `body`. Raises 50035, 50006 when it would be empty, 40005 for a file too large.

    An interaction's message may be ephemeral, needs no channel rights, and by default pings users only.
    `path` is where the body sits in the request.
    """
    limits.check_message(body, files=len(call.files), path=path, interaction=interaction)
    flags = int(body.get("flags") or 0)
    attachments = read_attachments(site, channel, call, body, kept=[])
    for attachment in attachments:
        attachment.ephemeral = bool(flags & MessageFlag.EPHEMERAL)
    embeds = body.get("embeds") or []
    if not interaction and not site.world.permissions(channel, site.world.bot.id) & Permission.EMBED_LINKS:
        embeds = []
    draft = Draft(
        author=site.world.bot,
        content=(body.get("content") or "").strip(),
        embeds=embeds,
        components=body.get("components") or [],
        attachments=attachments,
        flags=flags,
        allowed=read_allowed(body.get("allowed_mentions"), WEBHOOK_DEFAULT if interaction else MESSAGE_DEFAULT),
        nonce=str(body["nonce"]) if body.get("nonce") is not None else None,
    )
    if not (draft.content or draft.embeds or draft.components or draft.attachments):
        raise errors.empty_message()
    return draft


def read_change(
    site: Site, channel: Channel, message: Message, call: Call, body: Json, *, path: tuple[str | int, ...] = ()
) -> Change:
    """The edit in `body` of `message`. Raises like `read_draft`."""
    shown: Json = {
        "content": message.content,
        "embeds": message.embeds,
        "components": message.components,
    }
    limits.check_edit(body, was_v2=message.has(MessageFlag.IS_COMPONENTS_V2), shown=shown, path=path)
    attachments = None
    if "attachments" in body or call.files:
        attachments = read_attachments(site, channel, call, body, kept=message.attachments)
    change = Change(
        content=(body.get("content") or "").strip() if "content" in body else None,
        embeds=(body.get("embeds") or []) if "embeds" in body else None,
        components=(body.get("components") or []) if "components" in body else None,
        attachments=attachments,
        flags=_edited_flags(message.flags, body),
        allowed=read_allowed(body.get("allowed_mentions"), MESSAGE_DEFAULT),
    )
    left = (
        message.content if change.content is None else change.content,
        message.embeds if change.embeds is None else change.embeds,
        message.components if change.components is None else change.components,
        message.attachments if change.attachments is None else change.attachments,
    )
    if not any(left) and not message.has(MessageFlag.LOADING):
        raise errors.empty_message()
    return change


def read_attachments(
    site: Site, channel: Channel, call: Call, body: Json, *, kept: list[Attachment]
) -> list[Attachment]:
    """The files after the request: those kept by id, then the uploaded ones in the order of their numbers."""
    listed = body.get("attachments")
    described = {int(one["id"]): one for one in listed or [] if str(one.get("id", "")).isdigit()}
    stay = [one for one in kept if listed is None or one.id in described]
    if sum(len(upload.data) for upload in call.files.values()) > 25 * 1024 * 1024:
        raise errors.request_too_large()
    made = []
    for number, upload in sorted(call.files.items()):
        if len(upload.data) > site.settings.file_limit_bytes:
            raise errors.request_too_large()
        about = described.get(number, {})
        name = about.get("filename") or upload.filename
        made.append(
            Attachment(
                id=site.world.next_id(),
                channel_id=channel.id,
                filename=name,
                data=upload.data,
                content_type=mimetypes.guess_type(name)[0] or "application/octet-stream",
                description=about.get("description"),
            )
        )
    return stay + made


def replied_to(site: Site, channel: Channel, body: Json) -> Message | None:
    """The message that `message_reference` names. Raises 50035 when it is gone and must exist."""
    reference = body.get("message_reference")
    if reference is None:
        return None
    found = channel.messages.get(int(reference["message_id"]))
    if found is None and reference.get("fail_if_not_exists", True):
        problem = errors.Problem(("message_reference",), "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
        raise errors.invalid_form([problem])
    return found


def as_answer(
    draft: Draft, *, interaction: Json, kind: MessageType, to: User, reply_to: Message | None
) -> Draft:
    """`draft` as the answer to an interaction of `to`."""
    ephemeral_to = to.id if draft.flags & MessageFlag.EPHEMERAL else None
    return replace(draft, interaction=interaction, type=kind, ephemeral_to=ephemeral_to, reply_to=reply_to)


def _edited_flags(old: int, body: Json) -> int:
    flags = old & ~int(MessageFlag.LOADING)
    if body.get("flags") is not None:
        asked = int(body["flags"])
        flags = (flags & ~int(MessageFlag.SUPPRESS_EMBEDS)) | (asked & MessageFlag.SUPPRESS_EMBEDS)
        flags |= asked & MessageFlag.IS_COMPONENTS_V2
    return flags
