"""Commands on prompt templates: a text with places, and the project, model and mode that go with it."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from api.access import Action
from api.command import Command, Nothing
from sessions.model import PermissionMode
from sessions.prompt_places import places_of


class PromptTemplate(msgspec.Struct, frozen=True):
    """A template. Empty fields are not set by it. An admin made it for all, or it is the reader's own."""

    id: str
    name: str
    text: str
    project: str = ""
    model: str = ""
    mode: PermissionMode | None = None
    is_for_all: bool = False

    @property
    def places(self) -> tuple[str, ...]:
        """The names of the places to fill in, in order."""
        return places_of(self.text)


class PromptTemplates(msgspec.Struct, frozen=True):
    """Templates by name; the reader's own first."""

    templates: tuple[PromptTemplate, ...]


class FilledTemplate(msgspec.Struct, frozen=True):
    """A prompt made of a template, and what goes with it in a new session."""

    prompt: str
    project: str = ""
    model: str = ""
    mode: PermissionMode | None = None


class ListPromptTemplates(Command[PromptTemplates], frozen=True, tag="list_prompt_templates"):
    """Return the actor's templates and those for all."""

    action = Action.CREATE
    reply = PromptTemplates
    audited = False


class ReadPromptTemplate(Command[FilledTemplate], frozen=True, tag="read_prompt_template", kw_only=True):
    """Return the prompt of a template with `values` in its places.

    Raises `TemplateNotFound`, or `PlaceEmpty` if a place has no value.
    """

    action = Action.CREATE
    reply = FilledTemplate
    audited = False
    template_id: str
    values: Mapping[str, str] = {}


class SavePromptTemplate(Command[PromptTemplate], frozen=True, tag="save_prompt_template", kw_only=True):
    """Make a template, or replace the one of the same name. Only an admin makes one `for_all`.

    Raises `PromptTemplateRefused` for an empty name or text, or if there are too many; `NotAllowed`.
    """

    # For one's own templates. `for_all` needs an admin, which is asked for when it is saved.
    action = Action.CREATE
    reply = PromptTemplate
    name: Annotated[str, msgspec.Meta(max_length=60)]
    text: Annotated[str, msgspec.Meta(max_length=20_000)]
    project: Annotated[str, msgspec.Meta(max_length=200)] = ""
    model: Annotated[str, msgspec.Meta(max_length=200)] = ""
    mode: PermissionMode | None = None
    for_all: bool = False


class DeletePromptTemplate(Command[Nothing], frozen=True, tag="delete_prompt_template", kw_only=True):
    """Delete a template of the actor, or as an admin one for all. Raises `TemplateNotFound`."""

    action = Action.CREATE
    reply = Nothing
    template_id: str


PromptTemplatesCommand = ListPromptTemplates | ReadPromptTemplate | SavePromptTemplate | DeletePromptTemplate
"""The commands of this file."""
