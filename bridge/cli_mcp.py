"""`claude-bridge mcp`: tools for agents outside, over stdin and stdout, through the bridge that runs here.

It opens no core of its own: a client such as an editor keeps it running for days, and no bot could start then.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec

import msgspec

from bridge.cli_core import demo_or_not, finish, say_on_stderr
from bridge.control_client import connected
from bridge.control_socket import local_actor
from bridge.invocation import BAD_USAGE, OK, Mcp
from bridge.ownership import current_owner
from bridge.settings import Settings
from mcp_server.tool import Caller
from sessions.errors import CoreLost, SessionError

_NO_SDK = "The MCP SDK is missing. Install it in the bridge's own directory: make mcp"
_NO_BRIDGE = "No bridge runs here. Start it with {command}, then call again."
_PLACE = "mcp:stdio"


class ReadOnly(SessionError):
    """The server was started with --read-only."""

    def __init__(self) -> None:
        super().__init__("This server only reads. Start it without --read-only for this tool.")


def mcp(invocation: Mcp) -> int:
    """Serve until stdin ends; return the exit code."""
    # Asked without loading it: the SDK takes a second.
    if find_spec("mcp") is None:
        say_on_stderr(_NO_SDK)
        return BAD_USAGE
    return finish(partial(_serve, invocation))


async def _serve(wish: Mcp, settings: Settings) -> int:
    from mcp_server.over_stdio import serve_stdio
    from mcp_server.serving import FACE, new_origin

    data_dir = demo_or_not(settings, demo=wish.demo).data_dir
    actor = msgspec.structs.replace(local_actor(), face=FACE)

    @asynccontextmanager
    async def reach(changes: bool) -> AsyncIterator[Caller]:
        if changes and wish.read_only:
            raise ReadOnly
        if current_owner(data_dir) is None:
            raise CoreLost(_NO_BRIDGE.format(command=f"claude-bridge{' --demo' * wish.demo}"))
        # A connection for each call: the bridge may have been started again since the last one.
        async with connected(data_dir) as core:
            yield Caller(core, actor, origin=new_origin(), place=_PLACE)

    await serve_stdio(reach, version=version("claude-discord-bridge"))
    return OK
