"""Carries out the commands of `api/linking.py`: the web face makes the links, if it runs."""

from collections.abc import Awaitable, Callable

import api as c
from api.access import Actor
from sessions.errors import WebOff

LinkMaker = Callable[[str, str], Awaitable[c.LoginLink]]
"""Return a login link for a user id that leads to a session, or to the list if its id is empty."""


def nobody(_session_id: str) -> tuple[str, ...]:
    """The readers of a bridge without a web face."""
    return ()


class LoginLinks:
    """The place where a running web face leaves its `LinkMaker`, its address and its readers.

    The address is empty while none runs. `lookers` returns the ids of the people who look at a session now.
    """

    def __init__(self) -> None:
        self.maker: LinkMaker | None = None
        self.address = ""
        self.lookers: Callable[[str], tuple[str, ...]] = nobody

    async def make(self, user_id: str, session_id: str) -> c.LoginLink:
        """Return a link for `user_id`, to a session or the list. Raises `WebOff` while no web face runs."""
        # Asked at each call: a web face comes and goes while the core runs.
        if self.maker is None:
            raise WebOff
        return await self.maker(user_id, session_id)


async def link(links: LoginLinks, actor: Actor, command: c.LinkingCommand) -> c.LoginLink:
    """Return a login link for the actor. Raises `WebOff`."""
    return await links.make(actor.user_id, command.session_id)
