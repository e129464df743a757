"""Puts the core together: lock, database, backend, driver, sessions, control socket; and takes it down again.

`open_core` is the only place that knows all parts. Leaving it releases everything and leaves Claude's processes
running. The modules `cli_*.py` choose the face on top.
"""

import asyncio
import gc
import hashlib
import logging
import os
import resource
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace  # noqa: TID251
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from backends.auto import BackendOptions, Backends, choose_backend
from backends.commands.runner import Commands
from backends.wrappers import LaunchWrapper, in_shell_prefix
from bridge.background_task import kept_running
from bridge.control import ControlServer
from bridge.core_parts import service_parts, session_policy
from bridge.discord_access import NamedPeople
from bridge.event_log import logging_events
from bridge.logs import LogPlan, set_up_logging
from bridge.ownership import DataDirectoryRefused, OwnerKind, owning
from bridge.said_once import is_news
from bridge.sandbox_words import news_in_a_session, sentence_at_start
from bridge.sandboxing import Sandboxing, arrange, hidden_places
from bridge.schema import schema
from bridge.settings import Settings
from bridge.user_servers import servers_sentence, user_servers
from service import LoginLinks, SessionService
from sessions.claude.launch import child_environment
from sessions.claude.sandbox_access import SandboxOptions
from sessions.claude.stream import StreamDriver, StreamOptions
from sessions.conversations import Conversations
from sessions.manager import SessionManager
from sessions.parking import may_be_parked
from sessions.recovery import end_survivors
from sessions.tools import LateToolbox, Toolbox
from storage import Database

if TYPE_CHECKING:
    from bridge.package_hosts import LearnedHosts
    from bridge.sandbox_network import SandboxNetwork

log = logging.getLogger(__name__)

_DESCRIPTORS = 16_384


class CoreOptions(msgspec.Struct, frozen=True):
    """Options for opening the core. `say` gets sentences for people, for example that tmux is missing.

    `shows_sessions`: the people who read `say` also read there what their session is told, such as the words on
    the sandbox, which then are not said at the start as well.
    """

    kind: OwnerKind
    demo: bool = False
    logs_on_stderr: bool = True
    shows_sessions: bool = False
    say: Callable[[str], None] = log.warning


class OpenCore(msgspec.Struct, frozen=True):
    """The open core: the parts that faces use, and those that the bot's own rows need."""

    service: SessionService
    links: LoginLinks
    manager: SessionManager
    database: Database
    settings: Settings


@asynccontextmanager
async def open_core(settings: Settings, options: CoreOptions) -> AsyncIterator[OpenCore]:
    """Own the data directory and run the core, control socket included, inside the block.

    For the demo, `settings` are those of `cli_core.demo_or_not`.
    Raises `OwnershipError`, `StorageError`, `DemoError`.
    """
    make_private(_outermost(settings, options))
    _allow_many_files()
    with owning(settings.data_dir, options.kind):
        # Inside the lock: two processes that rotate one log file would lose each other's lines.
        set_up_logging(
            LogPlan(
                level=settings.log_level,
                format=settings.log_format,
                directory=settings.data_dir / "logs",
                secrets=settings.secrets,
                on_stderr=options.logs_on_stderr,
            )
        )
        async with AsyncExitStack() as stack:
            overrides: Mapping[str, str] = {}
            if options.demo:
                from bridge.demo.keep_running import kept_demo

                # Before the core: it attaches to processes that outlived the last bridge, and these wait for
                # the model.
                overrides = await stack.enter_async_context(kept_demo(settings.data_dir / "model"))
            opened = await _start_core(settings, options, overrides, stack)
            named = NamedPeople(settings).actor
            # The last part to open and the first to close: a client never meets a half-open core.
            await stack.enter_async_context(ControlServer(opened.service, settings.data_dir, named))
            attached = sum(1 for each in opened.manager.loaded() if each.run is not None)
            log.info("open", extra={"kind": options.kind.value, "demo": options.demo, "attached": attached})
            yield opened
            log.info("closing")
            if settings.enable_persistence and options.kind is OwnerKind.CHAT:
                await _park_idle(opened.manager)


def _allow_many_files() -> None:
    """Raise the limit of open files: each watched host takes a few, so 1,024 suffice for some hundreds only."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # macOS allows less than the hard limit that it reports
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def make_private(data_dir: Path) -> None:
    """Make DATA_DIR for its owner only. Raises `DataDirectoryRefused`."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        data_dir.chmod(0o700)
    except OSError as error:
        raise DataDirectoryRefused(data_dir, str(error.strerror)) from error


async def _start_core(
    settings: Settings, options: CoreOptions, overrides: Mapping[str, str], stack: AsyncExitStack
) -> OpenCore:
    await _end_left_overs(settings, options)
    kept = settings if settings.enable_persistence else _for_this_run(settings, options, stack)
    database = await stack.enter_async_context(Database.open(kept.database_path, schema()))
    if database.recovery is not None:
        options.say(database.recovery.sentence)
    hidden = (*hidden_places(kept), _outermost(settings, options))
    sandboxing = await asyncio.to_thread(arrange, kept, hidden, kept.data_dir / "sandbox")
    if not options.shows_sessions and (said := sentence_at_start(sandboxing, kept.data_dir / "sandbox")):
        options.say(said)
    wrappers = _wrappers(kept, sandboxing)
    backend = _backend(kept, options, wrappers)
    child = {**child_environment(os.environ, _child_names(settings, options)), **overrides}
    network = _limited_network(sandboxing, kept, database, child)
    sandbox = sandboxing.options
    if sandbox is not None and network is not None:
        sandbox = msgspec.structs.replace(sandbox, open_network=network.open)
    servers = servers_sentence(await asyncio.to_thread(user_servers, child), settings.mcp_servers)
    if is_news(servers, kept.data_dir / "said" / "servers"):
        options.say(servers)

    def make_toolbox() -> Toolbox:
        from mcp_server.in_session import SessionToolbox

        return SessionToolbox(service)

    tools = LateToolbox(make_toolbox) if settings.claude_tools else None
    policy = session_policy(kept, sandboxing, Commands(kept.data_dir / "run", wrappers))
    manager = SessionManager(
        database,
        backend,
        _driver(settings, options, overrides, sandbox),
        Conversations(child, kept.data_dir / "transcripts"),
        msgspec.structs.replace(
            policy,
            tools=tools,
            sandbox_news=partial(news_in_a_session, sandboxing, kept.data_dir / "sandbox"),
        ),
    )
    parts = service_parts(kept, database, manager)
    if network is not None:
        parts = msgspec.structs.replace(parts, sites_changed=network.changed)
    service = SessionService(parts)
    # Entered before the manager and left after it, so that the log covers the manager's start and end.
    await stack.enter_async_context(logging_events(service))
    await stack.enter_async_context(manager)
    # Pushed after the manager, so it runs before the manager's own end, which lets hosts live.
    if not settings.enable_persistence:
        stack.push_async_callback(manager.shutdown, stop_hosts=True)
    with _without_collections():
        await manager.initialize()
    await service.finish_cut_acts()
    stack.push_async_callback(service.close)
    await service.open_if_active()
    await stack.enter_async_context(kept_running(backend.keep_terminals, "terminals"))
    if network is not None:
        await stack.enter_async_context(network.kept(manager))
    return OpenCore(service, parts.links, manager, database, settings)


def _driver(
    settings: Settings, options: CoreOptions, overrides: Mapping[str, str], sandbox: SandboxOptions | None
) -> StreamDriver:
    return StreamDriver(
        StreamOptions(
            configured_command=settings.claude_command,
            environment=dict(os.environ),
            child_names=_child_names(settings, options),
            overrides=overrides,
            private=[_outermost(settings, options)],
            sandbox=sandbox,
        )
    )


def _limited_network(
    sandboxing: Sandboxing, settings: Settings, database: Database, child: Mapping[str, str]
) -> "SandboxNetwork | None":
    """Return the network of sandboxes if the settings limit it. `child` is Claude's environment."""
    if sandboxing.options is None or sandboxing.policy.proxy is None:
        return None
    from backends.sandbox.proxy.inside import model_of
    from backends.sandbox.proxy.state import ProxyPlaces
    from bridge.sandbox_network import NetworkRules, SandboxNetwork

    def learn() -> "Sequence[LearnedHosts]":
        from bridge.package_hosts import CACHE, learned_hosts

        return learned_hosts(settings.data_dir / "sandbox" / CACHE, os.environ)

    rules = NetworkRules(settings.sandbox_network, settings.sandbox_hosts, model_of(child), learn)
    places = ProxyPlaces(sandboxing.policy.proxy)
    return SandboxNetwork(database, places, rules, settings.host_prefix)


@contextmanager
def _without_collections() -> Iterator[None]:
    """Collect no garbage during recovery: its objects stay, and searching them takes a tenth of a start."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()


# --- ENABLE_PERSISTENCE=false -----------------------------------------------------------------------------


def _temporary(settings: Settings) -> Settings:
    """Return the settings with everything below a directory that no other run shares."""
    # Always the same one: the next start finds there what a killed run left.
    directory = settings.data_dir / "temporary"
    return replace(settings, data_dir=directory, database_path=directory / "sessions.db")


async def _end_left_overs(settings: Settings, options: CoreOptions) -> None:
    """End processes and remove files that a killed run without persistence left, whatever is set now."""
    temporary = _temporary(settings)
    # Called before this run makes anything: its own hosts may lie in the same directory.
    if temporary.data_dir.exists():
        backend = _backend(temporary, options, ())
        try:
            await end_survivors(backend)
        finally:
            await backend.close()
        await asyncio.to_thread(shutil.rmtree, temporary.data_dir, ignore_errors=True)


def _for_this_run(settings: Settings, options: CoreOptions, stack: AsyncExitStack) -> Settings:
    """Return settings whose database, hosts and transcripts are removed when `stack` is left, and say so."""
    temporary = _temporary(settings)
    make_private(temporary.data_dir)
    # Pushed before the database is opened, so it runs after the database is closed.
    stack.callback(shutil.rmtree, temporary.data_dir, ignore_errors=True)
    options.say(
        "ENABLE_PERSISTENCE is off: sessions, and Claude's processes with them, end when the bridge ends."
    )
    return temporary


async def _park_idle(manager: SessionManager) -> None:
    """End idle processes after a chat: without an owner, nothing would park them for hours."""
    parks = [each.park_if(may_be_parked, "the chat was closed") for each in manager.loaded()]
    # One session that cannot be parked must not keep the others running.
    for result in await asyncio.gather(*parks, return_exceptions=True):
        if isinstance(result, Exception):
            log.warning("not parked", extra={"why": str(result)})


def _backend(settings: Settings, options: CoreOptions, wrappers: Sequence[LaunchWrapper]) -> Backends:
    return choose_backend(
        settings.backend.value,
        BackendOptions(
            run=settings.data_dir / "run",
            socket_name=tmux_socket_name(settings.data_dir),
            watch=watch_command(),
            environment=dict(os.environ),
            wrappers=wrappers,
        ),
        on_fallback=options.say,
    )


def _wrappers(settings: Settings, sandboxing: Sandboxing) -> Sequence[LaunchWrapper]:
    """Return the wrappers of each launch, outermost last."""
    sandbox = () if sandboxing.wrapper is None else (sandboxing.wrapper,)
    # The prefix wraps the host's shell, and so the sandbox inside: a scope limits both.
    return (*sandbox, in_shell_prefix(settings.host_prefix)) if settings.host_prefix else sandbox


def tmux_socket_name(data_dir: Path) -> str:
    """Return the name of the data directory's own tmux socket: short, and the same at every start."""
    return f"claude-bridge-{hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:8]}"


def watch_command() -> tuple[str, ...]:
    """Return the command that shows a host in a terminal; the caller appends the host's directory.

    It runs in other directories with other variables, so it names the place of our packages.
    """
    # tmux runs it with the server's environment, which has no PYTHONPATH of ours.
    packages = Path(__file__).parents[1]
    return ("/usr/bin/env", f"PYTHONPATH={packages}", sys.executable, "-m", "bridge", "watch")


def _child_names(settings: Settings, options: CoreOptions) -> tuple[str, ...]:
    if not options.demo:
        return settings.child_env
    from bridge.demo.keep_running import NOT_IN_DEMO

    return tuple(name for name in settings.child_env if not name.startswith(NOT_IN_DEMO))


def _outermost(settings: Settings, options: CoreOptions) -> Path:
    """Return the directory that Claude's tools may not touch: the whole DATA_DIR, also for the demo in it."""
    return settings.data_dir.parent if options.demo else settings.data_dir
