"""Controls of forms with which an MCP server asks for input."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from bot.bodies import Control, Verb
from bot.entry import Reply
from bot.errors import Refused
from bot.face import Face
from bot.rows import store_in_fact
from bot.server_asks import fields_of_dialog, form_dialog, is_one_dialog, values_given
from bot.turn_store import load_picked, picked_fact
from sessions.errors import FormRefused
from sessions.model import Decision, FillForm, FormBody, FormField
from sessions.stored import StoredAsk

Answering = Callable[[Reply, Control, Decision], Awaitable[None]]
Input = Mapping[str, tuple[str, ...]]
Checking = Callable[[Reply, Control], Awaitable[StoredAsk]]


class ServerAskControls:
    """Carries out uses of these controls. `answer` gives a decision, `check_open` returns the open ask."""

    def __init__(self, face: Face, answer: Answering, check_open: Checking) -> None:
        self._face = face
        self._answer = answer
        self._check_open = check_open

    async def handle(self, reply: Reply, control: Control, fields: Input | None) -> None:
        """Carry out one use; `fields` is the input of a submitted dialog."""
        body = (await self._check_open(reply, control)).ask.body
        if not isinstance(body, FormBody):
            raise Refused("This is not a form.")
        page = control.number
        if control.verb is Verb.FILL_FORM and fields is None:
            picked = await load_picked(self._face.db, control.subject)
            await reply.open_dialog(form_dialog(control, body, page, picked))
            return
        if control.verb is Verb.FILL_FORM and fields is not None:
            # Kept before it is checked: what the server would refuse need not be typed again.
            await self._keep(control, fields_of_dialog(body, page), fields)
            if not is_one_dialog(body):
                return
        picked = await load_picked(self._face.db, control.subject)
        try:
            await self._answer(reply, control, FillForm(values_given(body, picked)))
        except FormRefused as error:
            raise Refused(f"{error} Press “Fill in” again: your input is kept.") from error

    async def _keep(self, control: Control, asked: Mapping[int, FormField], fields: Input) -> None:
        """Remember a dialog's input, so that the next one shows it."""
        for number, field in asked.items():
            # An optional text field that was left empty comes as an empty string.
            values = [_value(field, each) for each in fields.get(str(number), ()) if each.strip()]
            kept = msgspec.json.encode(values).decode()
            await self._face.db.write([store_in_fact(picked_fact(control.subject), str(number), kept)])
        self._face.view.changed(control.session_id)


def _value(field: FormField, given: str) -> str:
    """Return the choice's value for a select's value, which is its number; text is returned as it is."""
    if field.choices and given.isdecimal() and int(given) < len(field.choices):
        return field.choices[int(given)].value
    return given
