"""The web face on an open core: its options from the settings, who people are, the links that log in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from urllib.parse import quote, urlsplit

import api as c
from api import wire
from api.access import Actor, ActorSource
from bridge.discord_access import NamedPeople
from bridge.settings import Settings
from bridge.wiring import OpenCore
from service.linking import nobody
from sessions.errors import SessionError
from sessions.model import is_session_id
from storage import Database
from web.doors import CODE_MS, Doors
from web.parts import Agents, Headers, WebOptions, WebParts
from web.people import People
from web.principals import FACE
from web.server import serving

DEFAULT_PORT = 8765
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - names what is refused
_LOCAL = ("127.0.0.1", "localhost", "::1")


class WebRefused(SessionError):
    """The web face cannot be served; the sentence says what to do."""


class PortTaken(WebRefused):
    """Another program listens on the dashboard's port."""


async def run_web(core: OpenCore) -> None:
    """Serve the web face until cancelled. Raises `WebRefused`."""
    async with web_face(core):
        await asyncio.get_running_loop().create_future()


@asynccontextmanager
async def web_face(core: OpenCore, options: WebOptions | None = None) -> AsyncIterator[WebParts]:
    """Serve the web face inside the block, with the options of the settings if there are no others.

    Raises `PortTaken`, or `WebRefused` if the address is too open.
    """
    options = options or web_options(core.settings)
    people = NamedPeople(core.settings)

    async def lookup(user_id: str, fresh: bool) -> Actor:
        return await people.actor(wire.Named(user_id, FACE), fresh=fresh)

    def make(served: WebOptions) -> WebParts:
        doors = Doors(core.database, core.manager.now_ms)
        names, agents = People(people.name), agents_of(core.service)
        return WebParts(core.service, doors, lookup, served, people=names, jump=jump, agents=agents)

    async def jump(session_id: str, turn_id: str) -> str:
        return await address_in_discord(core.database, session_id, turn_id)

    try:
        async with serving(make, options) as parts:

            async def link(user_id: str, session_id: str) -> c.LoginLink:
                code = await parts.doors.make_code(user_id)
                parts.wanted.set()
                place = quote(f"{parts.options.base_path}/chat/{session_id}", safe="")
                # Only a session's own page: a link must not lead elsewhere after the login.
                next_page = f"?next={place}" if is_session_id(session_id) else ""
                # In the fragment: browsers never send it, and previews of a link cannot spend it.
                url = f"{parts.options.address}/login{next_page}#{code}"
                return c.LoginLink(url, core.manager.now_ms() + CODE_MS)

            # Set only while it serves: other faces offer links to the dashboard then.
            core.links.maker, core.links.address = link, parts.options.address
            core.links.lookers = partial(parts.presence.others, user_id="")
            try:
                yield parts
            finally:
                core.links.maker, core.links.address, core.links.lookers = None, "", nobody
    except OSError as error:
        raise PortTaken(
            f"The dashboard's port {options.port} cannot be used: {error.strerror}. Set another WEB_PORT."
        ) from error


def agents_of(core: c.Core) -> Agents | None:
    """Return the server for agents over HTTP; None without the MCP SDK."""
    if find_spec("mcp") is None:
        return None

    async def answer(
        who: ActorSource, headers: Headers, body: bytes, may_change: bool
    ) -> tuple[int, Headers, bytes]:
        # The SDK takes a second to load: at the first request, and not on the loop.
        server = await asyncio.to_thread(import_module, "mcp_server.over_http")
        answered: tuple[int, Headers, bytes] = await server.answer(
            core, who, headers, body, may_change=may_change
        )
        return answered

    return answer


async def address_in_discord(database: Database, session_id: str, turn_id: str) -> str:
    """Return the address of a turn's first message, or of its session's channel; empty without Discord."""
    from bot.rows import load_place, load_posts
    from bot.subjects import UnitKind, subject_of

    place = await load_place(database, session_id)
    if place is None:
        return ""
    posts = await load_posts(database, session_id, place.channel_id, subject_of(UnitKind.TURN, turn_id))
    message = next((f"/{each.message_id}" for each in posts if each.message_id is not None), "")
    return f"https://discord.com/channels/{place.guild_id}/{place.channel_id}{message}"


def offered_options(*, any_port: bool = False) -> WebOptions:
    """Return the options of a dashboard that nobody set up: on loopback, at the usual port or a free one."""
    return WebOptions(port=0 if any_port else DEFAULT_PORT)


def web_options(settings: Settings) -> WebOptions:
    """Return the options of the web face. Raises `WebRefused` for an address that everybody could reach."""
    if settings.web_host not in _LOCAL and not settings.web_url:
        if not settings.web_insecure:
            raise WebRefused(
                "WEB_HOST opens the dashboard to other machines, without encryption. Set WEB_URL to the https "
                "address of a proxy before it, or leave WEB_HOST at 127.0.0.1."
            )
        # Requests are checked against this one host name; with all addresses, no name could be checked.
        if settings.web_host in _EVERYWHERE:
            raise WebRefused(
                "With WEB_INSECURE, WEB_HOST must be one address of this machine, such as 192.168.1.5: "
                "browsers may reach the dashboard by this address only."
            )
    url, path = settings.web_url or "", settings.web_base_path or ""
    own_path = urlsplit(url).path.rstrip("/")
    if path and own_path and path != own_path:
        raise WebRefused("WEB_URL and WEB_BASE_PATH name different paths. Leave one of them empty.")
    return WebOptions(
        port=settings.web_port or DEFAULT_PORT,
        host=settings.web_host,
        url=f"{url}{path}" if url and not own_path else url,
        base_path=path or own_path,
        proxies=frozenset(settings.web_trusted_proxies),
    )
