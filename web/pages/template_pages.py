"""The pages of prompt templates: the list with its form, and the places of one to fill in."""

import secrets
from html import escape

import api as c
from api.access import Actor, Role
from api.words.models import short_model
from api.words.modes import MODES
from sessions.errors import TemplateNotFound
from sessions.model import PermissionMode
from texts.unseen import spelled
from web.pages import fragments
from web.pages.layout import page
from web.parts import WebParts


async def templates_page(parts: WebParts, actor: Actor, session_id: str, edited: str) -> str:
    """Return the list of templates; `edited` is the id of the one in the form.

    Their links lead into a new session, or into the session `session_id`.
    """
    found = (await parts.core.perform(actor, c.ListPromptTemplates())).templates
    base = escape(parts.options.base_path, quote=True)
    into = f"?session={escape(session_id, quote=True)}" if session_id else ""
    listed = "".join(_row(each, base, into, actor) for each in found)
    none = '<p class="dim">No template yet. A template keeps a prompt that you use again.</p>'
    # An unknown id shows an empty form: the template may have been deleted in another tab.
    chosen = next((each for each in found if each.id == edited), None)
    cards = f'<ul class="sessions templates">{listed}</ul>' if listed else none
    body = f"<h1>Prompt templates</h1>{cards}{await _form(parts, actor, base, chosen)}"
    return page(parts.options, "Prompt templates", body, reader=actor)


def _row(each: c.PromptTemplate, base: str, into: str, actor: Actor) -> str:
    facts = [
        "for all" if each.is_for_all else "",
        each.project,
        short_model(each.model),
        f"Claude {MODES[each.mode]}" if each.mode is not None else "",
    ]
    dim = " · ".join(fragments.text_of(fact) for fact in facts if fact)
    mine = not each.is_for_all or actor.role is Role.ADMIN
    name = fragments.text_of(each.name)
    acts = (
        f'<div class="row above"><a class="button" href="{base}/templates?edit={escape(each.id)}">Edit</a>'
        f'<button type="button" data-end="prompt-templates/{escape(each.id)}"'
        f' data-sure="Delete the template?">Delete</button></div>'
        if mine
        else ""
    )
    return (
        f'<li><a href="{base}/templates/{escape(each.id)}{into}">{name}</a>'
        f'<p>{fragments.text_of(fragments.one_line(each.text, 160))}</p><p class="dim">{dim}</p>{acts}</li>'
    )


async def _form(parts: WebParts, actor: Actor, base: str, chosen: c.PromptTemplate | None) -> str:
    shown = chosen or c.PromptTemplate("", "", "")
    projects = (await parts.core.perform(actor, c.ListProjects())).names
    modes = "".join(
        f'<option value="{mode.value}"{" selected" if mode is shown.mode else ""}>Claude {MODES[mode]}</option>'
        for mode in PermissionMode
    )
    checked = " checked" if shown.is_for_all else ""
    for_all = (
        f'<label><input type="checkbox" name="for_all"{checked}> For everybody</label>'
        if actor.role is Role.ADMIN
        else ""
    )
    return (
        f'<form class="card by-form" method="post" action="{base}/templates">'
        f"<h2>{'Change the template' if chosen else 'New template'}</h2>"
        f'<input type="hidden" name="key" value="{secrets.token_urlsafe(16)}">'
        '<label class="wide">Name '
        f'<input name="name" maxlength="60" required value="{_text(shown.name)}"></label>'
        '<label class="wide">Prompt, with places in braces: {what} '
        f'<textarea name="text" rows="4" maxlength="20000" required>{_text(shown.text)}</textarea></label>'
        f'<label class="wide">Project <select name="project"><option value="">Chosen each time</option>'
        f"{_options(projects, shown.project)}</select></label>"
        '<label class="wide">Model (empty: the usual one) '
        f'<input name="model" value="{_text(shown.model)}"></label>'
        '<label class="wide">Mode <select name="mode"><option value="">The usual one</option>'
        f"{modes}</select></label>"
        f'{for_all}<button class="first">Save</button></form>'
    )


async def fill_page(parts: WebParts, actor: Actor, template_id: str, session_id: str, said: str = "") -> str:
    """Return the form that asks for a template's places; it is sent to a session, or begins a new one.

    Raises `TemplateNotFound`, and the errors of `GetSession`.
    """
    found = (await parts.core.perform(actor, c.ListPromptTemplates())).templates
    template = next((each for each in found if each.id == template_id), None)
    if template is None:
        raise TemplateNotFound
    base = escape(parts.options.base_path, quote=True)
    fields = "".join(_place(name, number) for number, name in enumerate(template.places))
    where = ""
    if session_id:
        info = await parts.core.perform(actor, c.GetSession(session_id=session_id))
        title = fragments.text_of(info.title or "Session")
        where = (
            f'<p class="dim">Goes to <a href="{base}/chat/{escape(info.id)}">{title}</a>.</p>'
            f'<input type="hidden" name="session" value="{escape(info.id)}">'
        )
    else:
        projects = (await parts.core.perform(actor, c.ListProjects())).names
        where = (
            '<label class="wide">Project <select name="project"><option value="">New directory</option>'
            f"{_options(projects, template.project)}</select></label>"
        )
    # Spelled: the sender shall see all that is sent, also what somebody else hid in a template for all.
    shown = escape(spelled(template.text))
    warning = f'<p class="warn" role="alert">{fragments.text_of(said)}</p>' if said else ""
    body = (
        f'<h1>{fragments.text_of(template.name)}</h1>{warning}<pre class="prompt">{shown}</pre>'
        f'<form class="by-form" method="post" action="{base}/templates/{escape(template.id)}">'
        f'<input type="hidden" name="key" value="{secrets.token_urlsafe(16)}">{fields}{where}'
        f'<button class="first">{"Send" if session_id else "Begin"}</button></form>'
    )
    return page(parts.options, template.name, body, reader=actor)


def _place(name: str, number: int) -> str:
    return (
        f'<label class="wide">{fragments.text_of(name)} '
        f'<textarea name="place{number}" rows="1" maxlength="20000" required></textarea></label>'
    )


def _options(names: tuple[str, ...], chosen: str) -> str:
    # A template may name a project that is gone: saving it must not change that.
    known = names if not chosen or chosen in names else (chosen, *names)
    return "".join(f"<option{' selected' if name == chosen else ''}>{_text(name)}</option>" for name in known)


def _text(value: str) -> str:
    # Not cleaned: the form sends back what is stored, as it is.
    return escape(value, quote=True)
