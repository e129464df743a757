"""Typed and chosen options, put into the `data` of an interaction as Discord's client does it."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import message_payload, payloads
from .components import SELECTS, Part
from .model import Attachment, Channel, Guild, Json, Message, Role, User
from .place import Place
from .site import Site

if TYPE_CHECKING:
    from .people import Person

_SUB, _GROUP, _STRING, _INTEGER, _BOOLEAN, _USER, _CHANNEL, _ROLE, _MENTIONABLE, _NUMBER, _FILE = range(1, 12)

Value = Any  # text, number, truth value, Person, User, Role, Place, file as (name, bytes), or a list of these


class NotOffered(AssertionError):
    """Discord's client would not offer this to the person: hidden, disabled, missing, or not a choice."""


class Builder:
    """Builds the data of one interaction and collects what it refers to in `resolved`."""

    def __init__(self, site: Site, channel: Channel, person: Person) -> None:
        self._site = site
        self._channel = channel
        self._person = person
        self._resolved: Json = {}

    def command(
        self, command: Json, words: list[str], values: Mapping[str, Value], *, focused: str | None
    ) -> Json:
        """Data of a chat command; with `focused` of its autocompletion, where options may be absent."""
        level, path = command, []
        for word in words:
            level = _named(level.get("options", []), word, f"subcommand of {command['name']!r}")
            path.append(level)
        known = {option["name"]: option for option in level.get("options", []) if option["type"] > _GROUP}
        if unknown := set(values) - set(known):
            raise NotOffered(f"{command['name']!r} has no option {sorted(unknown)}; it has {sorted(known)}")
        if any(option["type"] <= _GROUP for option in level.get("options", [])):
            raise NotOffered(f"{' '.join([command['name'], *words])!r} needs a subcommand")
        filled = []
        for name, option in known.items():
            if name in values and values[name] is not None:
                filled.append(self._option(option, values[name], focused=name == focused))
            elif option.get("required") and focused is None:
                raise NotOffered(f"option {name!r} is required")
        for step in reversed(path):
            filled = [{"name": step["name"], "type": step["type"], "options": filled}]
        return self._data(command, 1, {"options": filled})

    def message_menu(self, command: Json, target: Message) -> Json:
        shown = message_payload.rest(self._site.world, self._channel, target)
        self._resolved["messages"] = {str(target.id): shown}
        return self._data(command, 3, {"target_id": str(target.id)})

    def user_menu(self, command: Json, target: User) -> Json:
        self._resolve_user(target)
        return self._data(command, 2, {"target_id": str(target.id)})

    def selection(self, part: Json, chosen: list[Value]) -> Json:
        """`values` (and `resolved`) of a select."""
        least, most = int(part.get("min_values", 1)), int(part.get("max_values", 1))
        if not least <= len(chosen) <= most:
            raise NotOffered(f"{least} to {most} choices are possible, not {len(chosen)}")
        if part["type"] == Part.STRING_SELECT:
            return {"values": [_chosen(part["options"], one) for one in chosen]}
        values = [self._reference(one) for one in chosen]
        return {"values": values, **({"resolved": self._resolved} if self._resolved else {})}

    def modal(self, modal: Json, values: dict[str, Value]) -> Json:
        """Data of a submit; every field is in it, with what the person gave or what it showed."""
        parts = []
        for number, part in enumerate(modal["components"], 1):
            if part["type"] == Part.TEXT:
                parts.append({"type": int(Part.TEXT), "id": part.get("id") or number})
            elif part["type"] == Part.LABEL:
                field = self._field(part["component"], part["label"], values)
                parts.append({"type": int(Part.LABEL), "id": part.get("id") or number, "component": field})
            else:
                inner = [self._field(child, child.get("label", ""), values) for child in part["components"]]
                parts.append({"type": int(Part.ROW), "id": part.get("id") or number, "components": inner})
        if values:
            raise NotOffered(f"the dialog has no field {sorted(values)}")
        data: Json = {"custom_id": modal["custom_id"], "components": parts}
        return {**data, "resolved": self._resolved} if self._resolved else data

    def _field(self, field: Json, label: str, values: dict[str, Value]) -> Json:
        given: Value = None
        for name in (field["custom_id"], label):
            if name in values:
                given = values.pop(name)
        made: Json = {"type": field["type"], "id": field.get("id") or 1, "custom_id": field["custom_id"]}
        match field["type"]:
            case Part.TEXT_INPUT:
                made["value"] = _typed(field, label, given)
            case Part.CHECKBOX:
                made["value"] = bool(field.get("default") if given is None else given)
            case Part.RADIO_GROUP:
                preset = next((option["value"] for option in field["options"] if option.get("default")), None)
                made["value"] = preset if given is None else _chosen(field["options"], given)
            case Part.UPLOAD:
                made["values"] = [self._file(one) for one in given or []]
            case Part.CHECKBOX_GROUP:
                made["values"] = [_chosen(field["options"], one) for one in _list(given)]
            case kind if kind in SELECTS:
                presets = [option["value"] for option in field.get("options", []) if option.get("default")]
                chosen = presets if given is None else _list(given)
                needs = bool(field.get("required", True)) or bool(chosen)
                made["values"] = self.selection(field, chosen)["values"] if needs else []
            case _:
                raise NotOffered(f"component {field['type']} cannot be filled in")
        return made

    def _option(self, option: Json, value: Value, *, focused: bool) -> Json:
        made: Json = {"name": option["name"], "type": option["type"]}
        if focused:
            if not option.get("autocomplete"):
                raise NotOffered(f"option {option['name']!r} has no suggestions")
            return {**made, "value": value, "focused": True}
        match option["type"]:
            case _ if option.get("choices"):
                made["value"] = _choice(option, value)
            case _ if option["type"] in (_USER, _CHANNEL, _ROLE, _MENTIONABLE):
                made["value"] = self._reference(value)
            case _ if option["type"] == _FILE:
                made["value"] = self._file(value)
            case _ if option["type"] == _STRING:
                low, high = option.get("min_length", 0), option.get("max_length", 6000)
                if not low <= len(value) <= high:
                    raise NotOffered(f"option {option['name']!r} takes {low} to {high} characters")
                made["value"] = value
            case _:
                made["value"] = value
        return made

    def _data(self, command: Json, kind: int, rest: Json) -> Json:
        data: Json = {"id": command["id"], "name": command["name"], "type": kind, **rest}
        if command["guild_id"] is not None:
            data["guild_id"] = str(command["guild_id"])
        if self._resolved:
            data["resolved"] = self._resolved
        return data

    def _reference(self, value: Value) -> str:
        match value:
            case User():
                self._resolve_user(value)
            case Role():
                self._resolved.setdefault("roles", {})[str(value.id)] = payloads.role(value, 1)
            case Place():
                bits = self._site.world.permissions(value.model, self._person.id)
                shown = {**payloads.channel(value.model), "permissions": str(bits)}
                self._resolved.setdefault("channels", {})[str(value.id)] = shown
            case _:
                self._resolve_user(value.user)
        return str(value.id)

    def _resolve_user(self, user: User) -> None:
        self._resolved.setdefault("users", {})[str(user.id)] = payloads.user(user)
        guild: Guild | None = self._site.world.guild_of(self._channel)
        member = guild.members.get(user.id) if guild is not None else None
        if member is not None:
            bits = self._site.world.permissions(self._channel, user.id)
            shown = {**payloads.member(member, with_user=False), "permissions": str(bits)}
            self._resolved.setdefault("members", {})[str(user.id)] = shown

    def _file(self, value: tuple[str, bytes]) -> str:
        name, data = value
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        made = Attachment(self._site.world.next_id(), self._channel.id, name, data, kind, ephemeral=True)
        self._site.world.files[made.id] = made
        shown = payloads.attachment(made, self._site.world.cdn)
        self._resolved.setdefault("attachments", {})[str(made.id)] = shown
        return str(made.id)


def _named(options: list[Json], name: str, what: str) -> Json:
    for option in options:
        if option["name"] == name:
            return option
    raise NotOffered(f"no {what} is called {name!r}; there is {[one['name'] for one in options]}")


def _choice(option: Json, value: Value) -> Value:
    for choice in option["choices"]:
        if value in (choice["name"], choice["value"]):
            return choice["value"]
    raise NotOffered(f"{value!r} is no choice of {option['name']!r}")


def _chosen(options: list[Json], wanted: Value) -> str:
    for option in options:
        if wanted in (option["value"], option["label"]):
            return str(option["value"])
    raise NotOffered(f"no option {wanted!r}; there is {[option['label'] for option in options]}")


def _typed(field: Json, label: str, given: Value) -> str:
    text = str(field.get("value") or "") if given is None else str(given)
    low, high = int(field.get("min_length") or 0), int(field.get("max_length") or 4000)
    if field.get("required", True):
        low = max(low, 1)
    if not low <= len(text) <= high and (text or field.get("required", True)):
        raise NotOffered(f"field {label!r} takes {low} to {high} characters")
    return text


def _list(value: Value) -> list[Value]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
