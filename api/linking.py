"""The command that lets a person into the web face."""

import msgspec

from api.access import Action
from api.command import Command


class LoginLink(msgspec.Struct, frozen=True):
    """An address that logs one browser in as the actor, once, until `expires_ms`. Show it to nobody else."""

    url: str
    expires_ms: int


class MakeLoginLink(Command[LoginLink], frozen=True, tag="make_login_link", kw_only=True):
    """Make a link that logs a browser in as the actor, and then shows a session if `session_id` names one.

    Raises `WebOff` if the bridge has no web face.
    """

    action = Action.LOG_IN
    reply = LoginLink
    session_id: str = ""


LinkingCommand = MakeLoginLink
"""The commands of this file."""
