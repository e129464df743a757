"""Discord's limits on messages, threads and modals, as 50035 problems. See also `component_limits`."""

from __future__ import annotations

from collections.abc import Iterator

from .component_limits import message_components, modal_components
from .components import V2_PARTS
from .errors import Problem, bad_length, invalid_form, required, too_long
from .mentions import check_allowed
from .model import Json, MessageFlag, walk

CONTENT = 2000
EMBEDS = 10
EMBED_TOTAL = 6000
NONCE = 25
_EMBED_TEXTS = {"title": 256, "description": 4096}
_MAY_SEND = MessageFlag.SUPPRESS_EMBEDS | MessageFlag.SUPPRESS_NOTIFICATIONS | MessageFlag.IS_COMPONENTS_V2


def check_message(
    body: Json, *, files: int, path: tuple[str | int, ...] = (), interaction: bool = False
) -> None:
    """Raise 50035 for a create that breaks a limit; `path` is where the message sits in the request."""
    v2 = bool(int(body.get("flags") or 0) & MessageFlag.IS_COMPONENTS_V2)
    problems = [*_texts(body, v2=v2), *_flags(body, interaction=interaction), *_nonce(body)]
    problems += message_components(body.get("components") or [], v2=v2)
    problems += check_allowed(body.get("allowed_mentions"))
    problems += _files(body, files)
    if v2 and not body.get("components"):
        problems.append(required(("components",)))
    _refuse(problems, path)


def check_edit(body: Json, *, was_v2: bool, shown: Json, path: tuple[str | int, ...] = ()) -> None:
    """Raise 50035 for an edit that breaks a limit. `shown` is what stays: content, embeds, components.

    A message once in Components V2 stays so; a plain one turned V2 must drop its content and embeds.
    """
    v2 = was_v2 or bool(int(body.get("flags") or 0) & MessageFlag.IS_COMPONENTS_V2)
    merged = {**shown, **{key: value for key, value in body.items() if key in shown}}
    problems = [*_texts(merged, v2=v2)]
    if "components" in body or v2:
        problems += message_components(merged.get("components") or [], v2=v2)
    problems += check_allowed(body.get("allowed_mentions"))
    _refuse(problems, path)


def check_thread(body: Json) -> None:
    """Raise 50035 for a thread's name or auto archive duration."""
    problems = []
    if "name" in body or "type" in body or "auto_archive_duration" not in body:
        problems += _name(body)
    duration = body.get("auto_archive_duration")
    if duration is not None and duration not in (60, 1440, 4320, 10080):
        text = "Value must be one of (60, 1440, 4320, 10080)."
        problems.append(Problem(("auto_archive_duration",), "BASE_TYPE_CHOICES", text))
    if len(body.get("applied_tags") or []) > 5:
        problems.append(too_long(("applied_tags",), 5))
    _refuse(problems, ())


def check_name(body: Json) -> None:
    """Raise 50035 for a channel's name."""
    _refuse(_name(body), ())


def check_modal(data: Json) -> None:
    """Raise 50035 for a modal callback that breaks a limit."""
    problems = []
    if not 1 <= len(data.get("title") or "") <= 45:
        problems.append(bad_length(("data", "title"), 1, 45))
    if not 1 <= len(data.get("custom_id") or "") <= 100:
        problems.append(bad_length(("data", "custom_id"), 1, 100))
    problems += [
        Problem(("data", *problem.path), problem.code, problem.message)
        for problem in modal_components(data.get("components") or [])
    ]
    _refuse(problems, ())


def check_choices(choices: list[Json]) -> None:
    """Raise 50035 for autocomplete choices: at most 25, names and values of 1 to 100 characters."""
    problems = []
    if len(choices) > 25:
        problems.append(too_long(("data", "choices"), 25))
    for index, choice in enumerate(choices):
        for key in ("name", "value"):
            value = choice.get(key)
            if isinstance(value, str) and not 1 <= len(value) <= 100:
                problems.append(bad_length(("data", "choices", index, key), 1, 100))
    _refuse(problems, ())


def _refuse(problems: list[Problem], path: tuple[str | int, ...]) -> None:
    if problems:
        raise invalid_form([Problem((*path, *one.path), one.code, one.message) for one in problems])


def _name(body: Json) -> list[Problem]:
    if "name" not in body:
        return [required(("name",))]
    return [] if 1 <= len(body["name"] or "") <= 100 else [bad_length(("name",), 1, 100)]


def _texts(body: Json, *, v2: bool) -> Iterator[Problem]:
    content = body.get("content") or ""
    embeds = body.get("embeds") or []
    if len(content) > CONTENT:
        yield too_long(("content",), CONTENT)
    if len(embeds) > EMBEDS:
        yield too_long(("embeds",), EMBEDS)
    yield from _embeds(embeds)
    if v2:
        for key in ("content", "embeds", "poll", "sticker_ids"):
            if body.get(key):
                text = f"The '{key}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
                yield Problem((key,), "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", text)
    elif any(part.get("type") in V2_PARTS for part in walk(body.get("components") or [])):
        yield Problem(("components",), "BASE_TYPE_CHOICES", "Value must be one of {1}.")


def _embeds(embeds: list[Json]) -> Iterator[Problem]:
    total = 0
    for index, embed in enumerate(embeds):
        path = ("embeds", index)
        for key, limit in _EMBED_TEXTS.items():
            total += len(embed.get(key) or "")
            if len(embed.get(key) or "") > limit:
                yield too_long((*path, key), limit)
        footer = (embed.get("footer") or {}).get("text") or ""
        author = (embed.get("author") or {}).get("name") or ""
        total += len(footer) + len(author)
        if len(footer) > 2048:
            yield too_long((*path, "footer", "text"), 2048)
        if len(author) > 256:
            yield too_long((*path, "author", "name"), 256)
        fields = embed.get("fields") or []
        total += sum(len(field.get("name") or "") + len(field.get("value") or "") for field in fields)
        yield from _fields(fields, path)
    if total > EMBED_TOTAL:
        text = f"Embed size exceeds maximum size of {EMBED_TOTAL}"
        yield Problem(("embeds",), "MAX_EMBED_SIZE_EXCEEDED", text)


def _fields(fields: list[Json], path: tuple[str | int, ...]) -> Iterator[Problem]:
    if len(fields) > 25:
        yield too_long((*path, "fields"), 25)
    for index, field in enumerate(fields):
        for key, limit in (("name", 256), ("value", 1024)):
            text = field.get(key) or ""
            if not text:
                yield required((*path, "fields", index, key))
            elif len(text) > limit:
                yield too_long((*path, "fields", index, key), limit)


def _flags(body: Json, *, interaction: bool) -> Iterator[Problem]:
    allowed = _MAY_SEND | MessageFlag.EPHEMERAL if interaction else _MAY_SEND
    if int(body.get("flags") or 0) & ~int(allowed):
        yield Problem(("flags",), "MESSAGE_FLAGS_INVALID", "Message flags are invalid.")


def _nonce(body: Json) -> Iterator[Problem]:
    nonce = body.get("nonce")
    if nonce is not None and len(str(nonce)) > NONCE:
        yield Problem(("nonce",), "NONCE_TYPE_TOO_LONG", f"Nonce must be {NONCE} or fewer characters.")


def _files(body: Json, files: int) -> Iterator[Problem]:
    if files > 10:
        yield too_long(("attachments",), 10)
    for index, attachment in enumerate(body.get("attachments") or []):
        if len(attachment.get("description") or "") > 1024:
            yield too_long(("attachments", index, "description"), 1024)
