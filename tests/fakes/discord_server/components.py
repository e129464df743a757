"""Components as Discord stores them: numbered, defaults filled in, media resolved. Checks are elsewhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Any

from .model import Attachment, Json


class Part(IntEnum):
    """Component types of Discord's component reference."""

    ROW = 1
    BUTTON = 2
    STRING_SELECT = 3
    TEXT_INPUT = 4
    USER_SELECT = 5
    ROLE_SELECT = 6
    MENTIONABLE_SELECT = 7
    CHANNEL_SELECT = 8
    SECTION = 9
    TEXT = 10
    THUMBNAIL = 11
    GALLERY = 12
    FILE = 13
    SEPARATOR = 14
    CONTAINER = 17
    LABEL = 18
    UPLOAD = 19
    RADIO_GROUP = 21
    CHECKBOX_GROUP = 22
    CHECKBOX = 23


SELECTS = frozenset(
    {Part.STRING_SELECT, Part.USER_SELECT, Part.ROLE_SELECT, Part.MENTIONABLE_SELECT, Part.CHANNEL_SELECT}
)
V2_PARTS = frozenset(
    {Part.SECTION, Part.TEXT, Part.THUMBNAIL, Part.GALLERY, Part.FILE, Part.SEPARATOR, Part.CONTAINER}
)
LINK_STYLE = 5
PREMIUM_STYLE = 6

_DEFAULTS: dict[int, Json] = {
    Part.BUTTON: {"style": 2},
    **{select: {"min_values": 1, "max_values": 1} for select in SELECTS},
    Part.CONTAINER: {"accent_color": None, "spoiler": False},
    Part.SEPARATOR: {"divider": True, "spacing": 1},
    Part.THUMBNAIL: {"description": None, "spoiler": False},
    Part.FILE: {"spoiler": False},
}


class Media:
    """Finds the attachment that an `attachment://name` means, and where it is served."""

    def __init__(self, attachments: Sequence[Attachment], cdn: str) -> None:
        self._by_name = {attachment.filename: attachment for attachment in attachments}
        self._cdn = cdn

    def resolve(self, url: str) -> Json:
        """The unfurled media object for `url`; unknown names keep their url."""
        attachment = self._by_name.get(url.removeprefix("attachment://"))
        if attachment is None:
            return {"id": "0", "url": url, "proxy_url": url}
        served = attachment_url(attachment, self._cdn)
        return {
            "id": str(attachment.id),
            "url": served,
            "proxy_url": served,
            "attachment_id": str(attachment.id),
            "content_type": attachment.content_type,
        }

    def file(self, url: str) -> tuple[str | None, int | None]:
        """Name and size in bytes of the file shown, when it is one of the message's attachments."""
        attachment = self._by_name.get(url.removeprefix("attachment://"))
        return (attachment.filename, len(attachment.data)) if attachment else (None, None)


def attachment_url(attachment: Attachment, cdn: str) -> str:
    """Where the fake serves the file, with the query that Discord's signed links carry."""
    path = f"attachments/{attachment.channel_id}/{attachment.id}/{attachment.filename}"
    return f"{cdn}/{path}?ex=ffffffff&is=0&hm=0"


def stored(components: Sequence[Json], media: Media) -> list[Json]:
    """`components` as Discord gives them back: each with an `id`, defaults filled in, media resolved."""
    taken = {int(part["id"]) for part in _every(components) if part.get("id")}
    numbers = (number for number in itertools.count(1) if number not in taken)
    return [_stored(part, media, numbers) for part in components]


def _every(components: Sequence[Json]) -> Iterator[Json]:
    for part in components:
        yield part
        yield from _every(part.get("components") or [])
        for key in ("accessory", "component"):
            if isinstance(part.get(key), dict):
                yield from _every([part[key]])


def _stored(part: Json, media: Media, numbers: Iterator[int]) -> Json:
    made: Json = {"type": part["type"], "id": part.get("id") or next(numbers)}
    made.update(_DEFAULTS.get(part["type"], {}))
    made.update({key: value for key, value in part.items() if value is not None and key != "id"})
    if "components" in part:
        made["components"] = [_stored(child, media, numbers) for child in part["components"]]
    for key in ("accessory", "component"):
        if key in part:
            made[key] = _stored(part[key], media, numbers)
    _resolve_media(made, media)
    return made


def _resolve_media(part: Json, media: Media) -> None:
    match part["type"]:
        case Part.THUMBNAIL:
            part["media"] = media.resolve(part["media"]["url"])
        case Part.FILE:
            url = part["file"]["url"]
            part["name"], part["size"] = media.file(url)
            part["file"] = media.resolve(url)
        case Part.GALLERY:
            part["items"] = [
                {"description": None, "spoiler": False, **item, "media": media.resolve(item["media"]["url"])}
                for item in part["items"]
            ]
        case Part.BUTTON | Part.STRING_SELECT:
            _emoji_ids(part)
        case _:
            pass


def _emoji_ids(part: Json) -> None:
    for holder in [part, *part.get("options", [])]:
        emoji: Any = holder.get("emoji")
        if isinstance(emoji, dict):
            emoji.setdefault("id", None)
