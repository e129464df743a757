"""The way from a turn in the browser to the same turn in Discord."""

from collections.abc import Sequence

import msgspec
from aiohttp import web

import api as c
from web.page_routes import page_route
from web.problems import Refused
from web.routing import Call, Route


class TurnPlaces(msgspec.Struct, frozen=True, rename="camel"):
    """The address in Discord of a turn's first message, or of the session's channel; empty without one."""

    discord: str


async def read_turn_places(call: Call) -> TurnPlaces:
    """Read where a turn is shown in Discord."""
    turn_id = call.place("turn_id")
    # The core says whether the turn is the sender's to see.
    await call.perform(c.ReadTurn(session_id=call.session_id, turn_id=turn_id, with_blocks=False))
    return TurnPlaces(await call.parts.jump(call.session_id, turn_id))


async def jump_to_discord(call: Call) -> web.Response:
    """Lead to a turn in Discord."""
    found = (await read_turn_places(call)).discord
    if not found:
        raise Refused(404, "not_in_discord", "This is not in Discord, or not yet.")
    # The address is made of ids that the bot stored, so it leads to Discord and nowhere else.
    return web.Response(status=302, headers={"Location": found})


_TURN = "{session_id}/turns/{turn_id}"
ROUTES: Sequence[Route] = (
    Route("GET", f"/api/sessions/{_TURN}/places", read_turn_places, reply=TurnPlaces),
    page_route(f"/chat/{_TURN}/discord", jump_to_discord),
)
