"""Routes of prompt templates: list, save, delete, fill; and their pages, which work without scripts."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from aiohttp import web

import api as c
from sessions.errors import PlaceEmpty
from sessions.model import PermissionMode, SessionId
from web.forms import form_key, read_form
from web.page_routes import form_route, lead_to, page_response, page_route
from web.pages.template_pages import fill_page, templates_page
from web.principals import Scope
from web.routing import Call, Route


class NewTemplate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A template. `text` may have places, such as `{file name}`; `forAll` needs an admin."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]
    project: str = ""
    model: str = ""
    mode: PermissionMode | None = None
    for_all: bool = False


class PlaceValues(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The values of a template's places, by their names."""

    values: Mapping[str, str] = {}


class TemplatesQuery(msgspec.Struct, frozen=True):
    """The session that a prompt goes to, or none; the template in the form."""

    session: str = ""
    edit: str = ""


async def list_templates(call: Call) -> c.PromptTemplates:
    """List your prompt templates, and those that an admin made for all."""
    return await call.perform(c.ListPromptTemplates())


async def save_template(call: Call) -> c.PromptTemplate:
    """Make a prompt template, or replace the one of this name."""
    wish: NewTemplate = call.body
    return await call.perform(_saved(wish))


def _saved(wish: NewTemplate) -> c.SavePromptTemplate:
    return c.SavePromptTemplate(
        name=wish.name,
        text=wish.text,
        project=wish.project,
        model=wish.model,
        mode=wish.mode,
        for_all=wish.for_all,
    )


async def delete_template(call: Call) -> c.Nothing:
    """Delete a prompt template."""
    return await call.perform(c.DeletePromptTemplate(template_id=call.place("template_id")))


async def fill_template(call: Call) -> c.FilledTemplate:
    """Return the prompt of a template with your values, and the project, model and mode that go with it."""
    wish: PlaceValues = call.body
    return await call.perform(c.ReadPromptTemplate(template_id=call.place("template_id"), values=wish.values))


async def show_templates(call: Call) -> web.Response:
    """Show the templates."""
    query: TemplatesQuery = call.query
    return page_response(await templates_page(call.parts, call.actor, query.session, query.edit))


async def save_by_form(call: Call) -> web.Response:
    """Save the template of the form, and show the list."""
    form = await read_form(call.request)
    form_key(form)
    mode = form.get("mode", "")
    wish = NewTemplate(
        name=form.get("name", "")[:60],
        text=form.get("text", "")[:20_000],
        project=form.get("project", ""),
        model=form.get("model", ""),
        # A form has an empty mode for the usual one.
        mode=PermissionMode(mode) if mode in list(PermissionMode) else None,
        for_all="for_all" in form,
    )
    await call.perform(_saved(wish))
    return lead_to(call, "/templates")


async def show_fill(call: Call) -> web.Response:
    """Show the places of a template."""
    query: TemplatesQuery = call.query
    return page_response(await fill_page(call.parts, call.actor, call.place("template_id"), query.session))


async def use_by_form(call: Call) -> web.Response:
    """Send the filled template to a session, or begin one with it."""
    form = await read_form(call.request)
    origin = f"web:{call.actor.user_id}:{form_key(form)}"
    template_id, session_id = call.place("template_id"), form.get("session", "")
    templates = (await call.perform(c.ListPromptTemplates())).templates
    places = next((each.places for each in templates if each.id == template_id), ())
    # By their numbers: the names of places are people's words and may be those of other fields.
    values = {name: form.get(f"place{number}", "") for number, name in enumerate(places)}
    try:
        filled = await call.perform(c.ReadPromptTemplate(template_id=template_id, values=values))
    except PlaceEmpty as empty:
        return page_response(await fill_page(call.parts, call.actor, template_id, session_id, str(empty)))
    if not session_id:
        session_id = await _begun(call, filled, form.get("project", ""), origin)
    await call.perform(c.SendMessage(session_id=session_id, content=filled.prompt, origin=origin))
    return lead_to(call, f"/chat/{session_id}")


async def _begun(call: Call, filled: c.FilledTemplate, project: str, origin: str) -> SessionId:
    # The form's key is the place: a form that is sent twice begins one session.
    command = c.GetOrCreateSession(
        channel_id="web", key=origin, project=project, model=filled.model, mode=filled.mode
    )
    return (await call.perform(command)).id


_ALL = "/api/prompt-templates"
_ONE = f"{_ALL}/{{template_id}}"
ROUTES: Sequence[Route] = (
    Route("GET", _ALL, list_templates, reply=c.PromptTemplates),
    Route("POST", _ALL, save_template, Scope.OPERATE, NewTemplate, reply=c.PromptTemplate, status=201),
    Route("DELETE", _ONE, delete_template, Scope.OPERATE),
    Route("POST", f"{_ONE}/fill", fill_template, Scope.OPERATE, PlaceValues, reply=c.FilledTemplate),
    page_route("/templates", show_templates, query=TemplatesQuery),
    form_route("/templates", save_by_form),
    page_route("/templates/{template_id}", show_fill, query=TemplatesQuery),
    form_route("/templates/{template_id}", use_by_form),
)
