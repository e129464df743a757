"""`web`: a link into the dashboard of the running bridge, or a bridge that serves only the dashboard."""

from functools import partial
from typing import TYPE_CHECKING

from api import MakeLoginLink
from bridge.cli_core import Place, choose_place, finish, say_on_stderr
from bridge.cli_run import run_with
from bridge.control_socket import local_actor
from bridge.invocation import OK, Web
from bridge.ownership import current_owner
from bridge.settings import Settings
from bridge.upkeep import keep_up

if TYPE_CHECKING:
    from bridge.wiring import OpenCore


def web(invocation: Web) -> int:
    """Print the link; return the exit code."""
    return finish(partial(_web, invocation))


async def _web(invocation: Web, settings: Settings) -> int:
    place = await choose_place(settings, demo=invocation.demo, say=say_on_stderr)
    if current_owner(place.settings.data_dir) is not None:
        return await _join(place)
    return await run_with(place.settings, [_serve, keep_up], demo=place.demo)


async def _join(place: Place) -> int:
    from bridge.control_client import connected

    # The running bridge makes the link, because only it knows the address that it serves.
    async with connected(place.settings.data_dir) as core:
        link = await core.perform(local_actor(), MakeLoginLink())
    print(link.url)
    return OK


async def _serve(core: "OpenCore") -> None:
    import asyncio

    from bridge.web_face import web_face

    async with web_face(core):
        link = await core.service.perform(local_actor(), MakeLoginLink())
        say_on_stderr("The dashboard runs until Ctrl-C. This link logs your browser in, once:")
        # Flushed: a program that reads the link waits for it while the dashboard runs.
        print(link.url, flush=True)
        await asyncio.get_running_loop().create_future()
