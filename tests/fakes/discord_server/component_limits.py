"""Discord's limits on components, as 50035 problems. Figures: Discord's component reference."""

from __future__ import annotations

from collections.abc import Iterator

from .components import LINK_STYLE, PREMIUM_STYLE, SELECTS, Part
from .errors import Problem, bad_length, required, too_long
from .model import Json, text_displays, walk

Path = tuple[str | int, ...]

V2_TEXT = 4000
V2_PARTS_LIMIT = 40
_TOP_LEVEL_V2 = frozenset(
    {Part.ROW, Part.SECTION, Part.TEXT, Part.GALLERY, Part.FILE, Part.SEPARATOR, Part.CONTAINER}
)
_IN_CONTAINER = _TOP_LEVEL_V2 - {Part.CONTAINER}


def message_components(components: list[Json], *, v2: bool) -> list[Problem]:
    """Problems of a message's components; `v2` says that the message has the flag."""
    problems = []
    if v2:
        every = walk(components)
        if len(every) > V2_PARTS_LIMIT:
            text = f"The total number of components cannot exceed {V2_PARTS_LIMIT}"
            problems.append(Problem(("components",), "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED", text))
        if sum(len(text) for text in text_displays(components)) > V2_TEXT:
            text = f"The total displayable text size exceeds maximum size of {V2_TEXT}"
            problems.append(Problem(("components",), "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", text))
    elif len(components) > 5:
        problems.append(bad_length(("components",), 1, 5))
    allowed = _TOP_LEVEL_V2 if v2 else frozenset({Part.ROW})
    for index, part in enumerate(components):
        problems += _placed(part, ("components", index), allowed)
    problems += _duplicates(components)
    return problems


def modal_components(components: list[Json]) -> list[Problem]:
    """Problems of a modal's parts; paths start at the modal's data."""
    problems = []
    if not 1 <= len(components) <= 5:
        problems.append(bad_length(("components",), 1, 5))
    for index, part in enumerate(components):
        path: Path = ("components", index)
        if part["type"] == Part.LABEL:
            problems += _label(part, path)
        elif part["type"] == Part.ROW:
            for inner, child in enumerate(part.get("components") or []):
                problems += _field(child, (*path, "components", inner))
        elif part["type"] != Part.TEXT:
            problems.append(_wrong_type(path))
    problems += _duplicates(components)
    return problems


def _placed(part: Json, path: Path, allowed: frozenset[Part]) -> Iterator[Problem]:
    if part.get("type") not in allowed:
        yield _wrong_type(path)
        return
    match part["type"]:
        case Part.ROW:
            yield from _row(part.get("components") or [], (*path, "components"))
        case Part.SECTION:
            yield from _section(part, path)
        case Part.TEXT:
            if not 1 <= len(part.get("content") or "") <= V2_TEXT:
                yield bad_length((*path, "content"), 1, V2_TEXT)
        case Part.GALLERY:
            if not 1 <= len(part.get("items") or []) <= 10:
                yield bad_length((*path, "items"), 1, 10)
        case Part.CONTAINER:
            children = part.get("components") or []
            if not children:
                yield required((*path, "components"))
            for index, child in enumerate(children):
                yield from _placed(child, (*path, "components", index), _IN_CONTAINER)
        case _:
            pass


def _section(part: Json, path: Path) -> Iterator[Problem]:
    texts = part.get("components") or []
    if not 1 <= len(texts) <= 3:
        yield bad_length((*path, "components"), 1, 3)
    for index, text in enumerate(texts):
        yield from _placed(text, (*path, "components", index), frozenset({Part.TEXT}))
    accessory = part.get("accessory")
    if accessory is None:
        yield required((*path, "accessory"))
    elif accessory["type"] == Part.BUTTON:
        yield from _button(accessory, (*path, "accessory"))


def _row(children: list[Json], path: Path) -> Iterator[Problem]:
    if not 1 <= len(children) <= 5:
        yield bad_length(path, 1, 5)
    if any(child["type"] in SELECTS for child in children) and len(children) > 1:
        text = "A select must be alone in its action row"
        yield Problem(path, "COMPONENT_LAYOUT_WIDTH_EXCEEDED", text)
    for index, child in enumerate(children):
        if child["type"] == Part.BUTTON:
            yield from _button(child, (*path, index))
        elif child["type"] in SELECTS:
            yield from _select(child, (*path, index))
        else:
            yield _wrong_type((*path, index))


def _button(part: Json, path: Path) -> Iterator[Problem]:
    style = part.get("style", 2)
    if len(part.get("label") or "") > 80:
        yield too_long((*path, "label"), 80)
    if style == LINK_STYLE:
        if not part.get("url"):
            yield required((*path, "url"))
        elif len(part["url"]) > 512:
            yield too_long((*path, "url"), 512)
    elif style != PREMIUM_STYLE:
        yield from _custom_id(part, path)
    if style != PREMIUM_STYLE and not part.get("label") and not part.get("emoji"):
        text = "One of label or emoji is required"
        yield Problem((*path, "label"), "BUTTON_COMPONENT_INVALID", text)


def _select(part: Json, path: Path) -> Iterator[Problem]:
    yield from _custom_id(part, path)
    if len(part.get("placeholder") or "") > 150:
        yield too_long((*path, "placeholder"), 150)
    if not 0 <= int(part.get("min_values") or 0) <= 25:
        yield Problem((*path, "min_values"), "NUMBER_TYPE_MAX", "int value should be between 0 and 25.")
    if part["type"] == Part.STRING_SELECT:
        yield from _options(part.get("options") or [], (*path, "options"), 1, 25)


def _options(options: list[Json], path: Path, low: int, high: int) -> Iterator[Problem]:
    if not low <= len(options) <= high:
        yield bad_length(path, low, high)
    values = [option.get("value") for option in options]
    for index, option in enumerate(options):
        for key in ("label", "value"):
            if not 1 <= len(str(option.get(key) or "")) <= 100:
                yield bad_length((*path, index, key), 1, 100)
        if len(option.get("description") or "") > 100:
            yield too_long((*path, index, "description"), 100)
        if option.get("value") in values[:index]:
            text = "The specified option value is already used"
            yield Problem((*path, index, "value"), "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", text)


def _label(part: Json, path: Path) -> Iterator[Problem]:
    if not 1 <= len(part.get("label") or "") <= 45:
        yield bad_length((*path, "label"), 1, 45)
    if len(part.get("description") or "") > 100:
        yield too_long((*path, "description"), 100)
    if part.get("component") is None:
        yield required((*path, "component"))
    else:
        yield from _field(part["component"], (*path, "component"))


def _field(part: Json, path: Path) -> Iterator[Problem]:
    match part["type"]:
        case Part.TEXT_INPUT:
            yield from _custom_id(part, path)
            if len(part.get("value") or "") > int(part.get("max_length") or 4000):
                yield too_long((*path, "value"), int(part.get("max_length") or 4000))
            if len(part.get("placeholder") or "") > 100:
                yield too_long((*path, "placeholder"), 100)
            if len(part.get("label") or "") > 45:
                yield too_long((*path, "label"), 45)
        case Part.RADIO_GROUP:
            yield from _custom_id(part, path)
            yield from _options(part.get("options") or [], (*path, "options"), 2, 10)
        case Part.CHECKBOX_GROUP:
            yield from _custom_id(part, path)
            yield from _options(part.get("options") or [], (*path, "options"), 1, 10)
        case Part.UPLOAD | Part.CHECKBOX:
            yield from _custom_id(part, path)
        case kind if kind in SELECTS:
            yield from _select(part, path)
            if part.get("disabled"):
                text = "Components in modals cannot be disabled"
                yield Problem((*path, "disabled"), "COMPONENT_DISABLED_IN_MODAL", text)
        case _:
            yield _wrong_type(path)


def _custom_id(part: Json, path: Path) -> Iterator[Problem]:
    if not 1 <= len(part.get("custom_id") or "") <= 100:
        yield bad_length((*path, "custom_id"), 1, 100)


def _duplicates(components: list[Json]) -> Iterator[Problem]:
    seen: set[str] = set()
    for part in walk(components):
        custom_id = part.get("custom_id")
        if custom_id is not None and custom_id in seen:
            text = "Component custom id cannot be duplicated"
            yield Problem(("components",), "COMPONENT_CUSTOM_ID_DUPLICATED", text)
        elif custom_id is not None:
            seen.add(custom_id)


def _wrong_type(path: Path) -> Problem:
    return Problem((*path, "type"), "UNION_TYPE_CHOICES", 'Value of field "type" is not allowed here.')
