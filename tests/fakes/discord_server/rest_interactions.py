"""REST routes that answer interactions: the callback, the original response, follow-ups."""

from __future__ import annotations

from . import errors, limits, message_payload, posting
from .drafts import as_answer, read_change, read_draft
from .interactions import Ack, Interaction, Kind, metadata
from .model import Json, Message, MessageFlag, MessageType
from .posting import Draft
from .site import Answer, Call, Route, Site

_CALLBACKS = {
    4: Ack.REPLIED,
    5: Ack.DEFERRED,
    6: Ack.DEFERRED_UPDATE,
    7: Ack.UPDATED,
    8: Ack.CHOICES,
    9: Ack.MODAL,
}
_ALLOWED = {
    Kind.COMMAND: {Ack.REPLIED, Ack.DEFERRED, Ack.MODAL},
    Kind.COMPONENT: {Ack.REPLIED, Ack.DEFERRED, Ack.DEFERRED_UPDATE, Ack.UPDATED, Ack.MODAL},
    Kind.AUTOCOMPLETE: {Ack.CHOICES},
    Kind.MODAL: {Ack.REPLIED, Ack.DEFERRED, Ack.DEFERRED_UPDATE, Ack.UPDATED},
}


def callback(site: Site, call: Call) -> Answer:
    interaction = site.interactions.to_acknowledge(call.id("interaction_id"), call.params["interaction_token"])
    ack = _CALLBACKS.get(int(call.body["type"]))
    if ack is None or ack not in _ALLOWED[interaction.kind]:
        problem = errors.Problem(("type",), "BASE_TYPE_CHOICES", "Value is not allowed for this interaction.")
        raise errors.invalid_form([problem])
    if ack is Ack.UPDATED and _source(interaction) is None:
        problem = errors.Problem(("type",), "BASE_TYPE_CHOICES", "There is no message to update.")
        raise errors.invalid_form([problem])
    _answer(site, call, interaction, ack, call.body.get("data") or {})
    site.interactions.acknowledge(interaction, ack)
    site.world.changed()
    if call.query.get("with_response") not in ("1", "true", "True"):
        return Answer(204)
    return Answer(200, _resource(site, interaction, int(call.body["type"])))


def follow_up(site: Site, call: Call) -> Answer:
    """A further message; after a thinking defer, the first one replaces the loading message."""
    interaction = _by_token(site, call)
    if interaction.loading():
        assert interaction.original is not None
        return _edit(site, call, interaction, interaction.original)
    message = _post(site, call, interaction, call.body, path=())
    interaction.followups.append(message)
    interaction.touched += 1
    site.world.changed()
    return Answer(200, message_payload.rest(site.world, interaction.channel, message))


def get_response(site: Site, call: Call) -> Answer:
    interaction, message = _response(site, call)
    return Answer(200, message_payload.rest(site.world, interaction.channel, message))


def edit_response(site: Site, call: Call) -> Answer:
    interaction, message = _response(site, call)
    return _edit(site, call, interaction, message)


def delete_response(site: Site, call: Call) -> Answer:
    interaction, message = _response(site, call)
    posting.delete(site.world, interaction.channel, message)
    interaction.touched += 1
    site.world.changed()
    return Answer(204)


def _answer(site: Site, call: Call, interaction: Interaction, ack: Ack, data: Json) -> None:
    match ack:
        case Ack.REPLIED:
            interaction.original = _post(site, call, interaction, data, path=("data",))
        case Ack.DEFERRED:
            interaction.original = _post_loading(site, interaction, int(data.get("flags") or 0))
        case Ack.DEFERRED_UPDATE:
            interaction.original = _source(interaction)
        case Ack.UPDATED:
            source = _source(interaction)
            assert source is not None
            change = read_change(site, interaction.channel, source, call, data, path=("data",))
            posting.edit(site.world, interaction.channel, source, change)
            interaction.original = source
        case Ack.CHOICES:
            limits.check_choices(data.get("choices") or [])
            interaction.choices = data.get("choices") or []
        case Ack.MODAL:
            limits.check_modal(data)
            interaction.modal = data


def _post(
    site: Site, call: Call, interaction: Interaction, body: Json, *, path: tuple[str | int, ...]
) -> Message:
    draft = read_draft(site, interaction.channel, call, body, interaction=True, path=path)
    return _post_answer(site, interaction, draft)


def _post_loading(site: Site, interaction: Interaction, flags: int) -> Message:
    kept = flags & MessageFlag.EPHEMERAL
    return _post_answer(site, interaction, Draft(author=site.world.bot, flags=int(MessageFlag.LOADING | kept)))


def _post_answer(site: Site, interaction: Interaction, draft: Draft) -> Message:
    about, kind, reply_to = metadata(interaction), MessageType.CHAT_INPUT, None
    if interaction.original is not None and interaction.ack is not None:
        about["original_response_message_id"] = str(interaction.original.id)
        kind, reply_to = MessageType.REPLY, interaction.original
    elif interaction.kind is not Kind.COMMAND:
        kind, reply_to = MessageType.DEFAULT, _source(interaction)
    elif interaction.data.get("type", 1) != 1:
        kind = MessageType.CONTEXT_MENU
    answer = as_answer(draft, interaction=about, kind=kind, to=interaction.user, reply_to=reply_to)
    return posting.post(site.world, interaction.channel, answer)


def _edit(site: Site, call: Call, interaction: Interaction, message: Message) -> Answer:
    was_loading = message.has(MessageFlag.LOADING)
    change = read_change(site, interaction.channel, message, call, call.body)
    posting.edit(site.world, interaction.channel, message, change)
    if was_loading:
        # People see the answer appear, not an edited message.
        message.edited = None
    interaction.touched += 1
    site.world.changed()
    return Answer(200, message_payload.rest(site.world, interaction.channel, message))


def _response(site: Site, call: Call) -> tuple[Interaction, Message]:
    interaction = _by_token(site, call)
    wanted = call.params.get("message_id", "@original")
    if wanted == "@original":
        found = interaction.original
    else:
        every = [*interaction.followups, *([interaction.original] if interaction.original else [])]
        found = next((one for one in every if str(one.id) == wanted), None)
    if found is None or found.deleted:
        raise errors.unknown_message()
    return interaction, found


def _by_token(site: Site, call: Call) -> Interaction:
    if call.id("webhook_id") != site.world.application_id:
        raise errors.unknown_webhook()
    return site.interactions.by_token(call.params["webhook_token"])


def _source(interaction: Interaction) -> Message | None:
    """The message whose control started it, also when a modal came in between."""
    if interaction.source is not None:
        return interaction.source
    return interaction.trigger.source if interaction.trigger is not None else None


def _resource(site: Site, interaction: Interaction, kind: int) -> Json:
    about: Json = {
        "id": str(interaction.id),
        "type": int(interaction.kind),
        "channel_id": str(interaction.channel.id),
    }
    if interaction.channel.guild_id is not None:
        about["guild_id"] = str(interaction.channel.guild_id)
    message = interaction.original
    if message is None:
        return {"interaction": about}
    about.update(
        response_message_id=str(message.id),
        response_message_loading=message.has(MessageFlag.LOADING),
        response_message_ephemeral=message.has(MessageFlag.EPHEMERAL),
    )
    shown = message_payload.rest(site.world, interaction.channel, message)
    # A deferral made no message yet: the document knows a resource for callbacks 4 and 7 only.
    if kind in (5, 6):
        return {"interaction": about}
    return {"interaction": about, "resource": {"type": kind, "message": shown}}


_WEBHOOK = "/webhooks/{webhook_id}/{webhook_token}"
_ORIGINAL = f"{_WEBHOOK}/messages/@original"
_FOLLOW_UP = f"{_WEBHOOK}/messages/{{message_id}}"
ROUTES = [
    Route("POST", "/interactions/{interaction_id}/{interaction_token}/callback", callback, open=True),
    Route("POST", _WEBHOOK, follow_up, open=True),
    *(
        route
        for path in (_ORIGINAL, _FOLLOW_UP)
        for route in (
            Route("GET", path, get_response, open=True),
            Route("PATCH", path, edit_response, open=True),
            Route("DELETE", path, delete_response, open=True),
        )
    ),
]
