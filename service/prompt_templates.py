"""Carries out the commands of `api/prompt_templates.py`."""

from typing import assert_never

import api as c
from api.access import Action, Actor, Role, authorize
from service.parts import ServiceParts
from sessions.errors import PlaceEmpty, PromptTemplateRefused, TemplateNotFound
from sessions.prompt_places import fill
from sessions.rows.prompt_templates import StoredTemplate, delete_template, load_templates, upsert_template
from storage import UuidMaker

_MOST = 100
_ids = UuidMaker()


async def template(parts: ServiceParts, actor: Actor, command: c.PromptTemplatesCommand) -> object:
    """Carry out `command` and return its reply. Raises the errors that its docstring names."""
    db = parts.manager.db
    match command:
        case c.ListPromptTemplates():
            return c.PromptTemplates(tuple(_shown(each) for each in await load_templates(db, actor.user_id)))
        case c.ReadPromptTemplate():
            found = await _find(parts, actor, command.template_id)
            try:
                prompt = fill(found.text, {name: value for name, value in command.values.items() if value})
            except KeyError as missing:
                raise PlaceEmpty(str(missing.args[0])) from None
            return c.FilledTemplate(prompt, found.project, found.model, found.mode)
        case c.SavePromptTemplate():
            return await _save(parts, actor, command)
        case c.DeletePromptTemplate():
            found = await _find(parts, actor, command.template_id)
            # A template without an owner is everybody's.
            if not found.owner_id:
                authorize(actor, Action.ADMINISTER)
            await db.write([delete_template(found.id, found.owner_id)])
            return c.Nothing()
        case _:
            assert_never(command)


async def _find(parts: ServiceParts, actor: Actor, template_id: str) -> StoredTemplate:
    templates = await load_templates(parts.manager.db, actor.user_id)
    found = next((each for each in templates if each.id == template_id), None)
    if found is None:
        raise TemplateNotFound
    return found


async def _save(parts: ServiceParts, actor: Actor, command: c.SavePromptTemplate) -> c.PromptTemplate:
    if command.for_all and actor.role is not Role.ADMIN:
        authorize(actor, Action.ADMINISTER)
    db, owner = parts.manager.db, "" if command.for_all else actor.user_id
    name, text = " ".join(command.name.split()), command.text.strip()
    if not name or not text:
        raise PromptTemplateRefused("A template needs a name and a text.")
    known = [each for each in await load_templates(db, owner) if each.owner_id == owner]
    if len(known) >= _MOST and name not in {each.name for each in known}:
        raise PromptTemplateRefused(f"There are {_MOST} templates already. Delete one first.")
    made = StoredTemplate(
        _ids.make(), owner, name, text, command.project.strip(), command.model.strip(), command.mode
    )
    # If the owner has a template of this name, its id stays.
    (done,) = await db.write([upsert_template(made, parts.manager.now_ms())])
    return _shown(StoredTemplate(str(done.rows[0][0]), owner, name, text, made.project, made.model, made.mode))


def _shown(stored: StoredTemplate) -> c.PromptTemplate:
    return c.PromptTemplate(
        stored.id, stored.name, stored.text, stored.project, stored.model, stored.mode, not stored.owner_id
    )
