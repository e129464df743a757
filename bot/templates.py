"""`/template`: a dialog with a template's text, in which the person fills the places and sends it."""

import msgspec

from api import ListPromptTemplates, PromptTemplate
from bot.asking import Asker, asked_by
from bot.bodies import Control
from bot.entry import Reply
from bot.errors import Refused
from bot.face import Face
from bot.modals import Question

_MOST = 4000  # Discord's most for a text field


async def template_named(face: Face, reply: Reply, name: str) -> PromptTemplate:
    """Return the template with this id or name. Raises `Refused`."""
    found = await face.core.perform(reply.actor, ListPromptTemplates())
    wanted = name.strip().casefold()
    for each in found.templates:
        if wanted in (each.id, each.name.casefold()):
            if len(each.text) > _MOST:
                raise Refused("This template is too long for a dialog. Use it in the browser: /web.")
            return each
    raise Refused("There is no template of this name. The browser (/web) lists yours and makes new ones.")


def template_question(template: PromptTemplate) -> Question:
    """Return the dialog of a template."""
    places = ", ".join(f"{{{name}}}" for name in template.places)
    label = f"Fill in {places}" if places else "Prompt"
    return Question(template.name, label, text=template.text)


class TemplateControls:
    """Carries out the dialog's submit; see `controls.Controls`."""

    def __init__(self, face: Face, asker: Asker) -> None:
        self._face = face
        self._asker = asker

    async def handle(self, reply: Reply, control: Control, prompt: str) -> None:
        """Ask Claude with the submitted text. Raises `Refused` if a place is still there."""
        template = await template_named(self._face, reply, control.subject)
        # Only the template's own places: other braces are code.
        left = [name for name in template.places if f"{{{name}}}" in prompt]
        if left or not prompt.strip():
            raise Refused(f"Fill in “{left[0]}” first." if left else "The prompt is empty.")
        asked = msgspec.structs.replace(
            asked_by(reply, prompt),
            origin=f"discord:template:{reply.interaction.id}",
            project=template.project,
            model=template.model,
            mode=template.mode,
        )
        await self._asker.ask(reply, asked)
