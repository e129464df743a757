"""Shared parts of the program's commands: settings, the right data directory, a core, signals, exit codes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace  # noqa: TID251
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from api import Core
from bridge.invocation import BAD_USAGE, FAILED
from bridge.ownership import AlreadyOwned, DataDirectoryRefused, Owner, OwnerKind, OwnershipError, current_owner
from bridge.settings import Settings
from bridge.settings_errors import SettingsWrong
from bridge.settings_loading import load_settings
from sessions.claude.errors import CliMissing
from sessions.errors import CoreLost, PromptRefused, SessionError, SessionNotFound, WorkDirectoryRefused
from storage import StorageError

if TYPE_CHECKING:
    from bridge.wiring import OpenCore

Say = Callable[[str], None]

_JOIN_S = 15.0
_JOIN_PAUSE_S = 0.05
_USAGE_ERRORS = (SessionNotFound, WorkDirectoryRefused, PromptRefused)


def say_on_stderr(sentence: str) -> None:
    """Print a message for the person at the terminal; stdout is kept for the requested output."""
    from console.text import clean

    print(clean(sentence), file=sys.stderr, flush=True)


def finish(work: Callable[[Settings], Coroutine[Any, Any, int]]) -> int:
    """Read the settings and run `work` with them; return its exit code, or the exit code for its error.

    SIGTERM and SIGHUP cancel `work`; hosts keep running.
    """
    try:
        settings = load_settings()
        return asyncio.run(_cancelled_by_signals(work(settings)))
    except (SettingsWrong, DataDirectoryRefused, *_USAGE_ERRORS) as error:
        say_on_stderr(str(error))
        return BAD_USAGE
    except (SessionError, StorageError, OwnershipError) as error:
        say_on_stderr(str(error))
        return FAILED
    except (KeyboardInterrupt, asyncio.CancelledError):
        return FAILED
    except Exception as error:
        # Loaded only after an error: the demo's module brings aiohttp, which most commands never need.
        from bridge.control_socket import SocketRefused
        from bridge.demo.process import DemoError

        if isinstance(error, SocketRefused | DemoError):
            say_on_stderr(str(error))
            return FAILED
        raise


async def _cancelled_by_signals(work: Coroutine[Any, Any, int]) -> int:
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    # `asyncio.run` turns only SIGINT into a cancellation. These two would end the process with nothing closed.
    # SIGHUP comes when the person closes the terminal.
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    return await work


# --- which data directory ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """The place of the terminal's sessions: the settings to use, and whether the demo model answers there."""

    settings: Settings
    demo: bool


async def choose_place(settings: Settings, *, demo: bool, say: Say) -> Place:
    """Choose between the real Claude and the demo.

    The demo is chosen on request, or if nobody is logged in to Claude, no bot is configured and no bridge runs.
    A configured bot never uses the demo.
    """
    if not demo:
        spoken_for = settings.discord_token is not None or current_owner(settings.data_dir) is not None
        if spoken_for or not await _needs_login(settings, say):
            return Place(settings, demo=False)
    return Place(demo_or_not(settings, demo=True), demo=True)


def used_place(settings: Settings, *, demo: bool, say: Say) -> Place:
    """Choose between the real sessions and the demo's, for a command about what is there already.

    Without a login and a bot a first try goes to the demo: as long as nothing else was used, the demo is meant.
    If real sessions are kept, but only the demo runs, `say` how to see it.
    """
    if demo or settings.discord_token is not None or current_owner(settings.data_dir) is not None:
        return Place(demo_or_not(settings, demo=demo), demo)
    tried = demo_or_not(settings, demo=True)
    runs_apart = current_owner(tried.data_dir) is not None
    if not settings.database_path.exists() and (runs_apart or tried.database_path.exists()):
        say("So far only the demo was used here, so this is the demo.")
        return Place(tried, demo=True)
    if runs_apart:
        say("Only the demo runs here. With --demo you see it.")
    return Place(settings, demo=False)


def demo_or_not(settings: Settings, *, demo: bool) -> Settings:
    """Return the settings to use; the demo has its own data directory in DATA_DIR, so that nothing mixes."""
    if not demo:
        return settings
    directory = settings.data_dir / "demo"
    return replace(settings, data_dir=directory, database_path=directory / "sessions.db", claude_model="")


async def _needs_login(settings: Settings, say: Say) -> bool:
    """Whether Claude has no login; if so, `say` the consequence. False also if this cannot be found out."""
    from sessions.claude.launch import child_environment
    from sessions.claude.locate import NotLoggedIn, find_command, login_status, typed_name

    environment = child_environment(os.environ, settings.child_env)
    try:
        command = find_command(settings.claude_command, environment)
    # No demo then: it stands in for the account alone, and needs the program as well.
    except CliMissing as missing:
        say(str(missing))
        return False
    if not isinstance(await login_status(command, environment), NotLoggedIn):
        return False
    how = f"`{typed_name(command)} auth login` ends that"
    say(f"Nobody is logged in to Claude, so the built-in DEMO answers; {how}.")
    return True


# --- a core -----------------------------------------------------------------------------------------------


class Dashboard(Enum):
    """Whether a core that is opened here has the dashboard, too."""

    OFF = auto()
    AS_SET = auto()
    """If WEB_PORT is set."""
    OFFERED = auto()
    """Also without WEB_PORT, on loopback: somebody who begins without Discord shall see what there is."""


@asynccontextmanager
async def reached_core(
    place: Place, say: Say, *, dashboard: Dashboard = Dashboard.OFF, shows_sessions: bool = False
) -> AsyncIterator[Core]:
    """Reach the core of `place` in the process that owns the data directory, or else open and serve it here.

    `shows_sessions`: what a session is told is shown where `say` writes.
    Raises `AnotherVersion` and the errors of `open_core`; `AlreadyOwned` also if the owner does not answer.
    """
    async with AsyncExitStack() as stack:
        core, opened = await _reach(place, say, stack, shows_sessions=shows_sessions)
        is_set = place.settings.web_port is not None
        # Only for a core that was opened here: the owner of another one has decided about its dashboard.
        if opened is not None and (
            dashboard is Dashboard.OFFERED or (is_set and dashboard is Dashboard.AS_SET)
        ):
            await _serve_web(opened, say, stack)
        yield core


async def _reach(
    place: Place, say: Say, stack: AsyncExitStack, *, shows_sessions: bool
) -> "tuple[Core, OpenCore | None]":
    """Return the core, and what was opened here if no other process had it."""
    from bridge.control_client import AnotherVersion, connected

    # An owner signs the lock first and listens last. In between it repairs its database and attaches to all its
    # hosts, so no answer may just mean that it is starting.
    deadline = asyncio.get_running_loop().time() + _JOIN_S
    while True:
        owner = current_owner(place.settings.data_dir)
        try:
            if owner is None:
                opened = await _open(place, say, stack, shows_sessions=shows_sessions)
                return opened.service, opened
            return await stack.enter_async_context(connected(place.settings.data_dir)), None
        except AlreadyOwned:
            pass  # another process was quicker: join it
        # A `CoreLost` too, but one that waiting does not mend.
        except AnotherVersion:
            raise
        except CoreLost as lost:
            _stop_if_pointless(owner, deadline, lost)
        await asyncio.sleep(_JOIN_PAUSE_S)


async def _open(place: Place, say: Say, stack: AsyncExitStack, *, shows_sessions: bool) -> "OpenCore":
    from bridge.wiring import CoreOptions, open_core

    options = CoreOptions(
        OwnerKind.CHAT, demo=place.demo, logs_on_stderr=False, shows_sessions=shows_sessions, say=say
    )
    return await stack.enter_async_context(open_core(place.settings, options))


async def _serve_web(opened: "OpenCore", say: Say, stack: AsyncExitStack) -> None:
    """Serve the dashboard, too. If it cannot be served, `say` why: the terminal works without it."""
    from bridge.web_face import PortTaken, WebRefused, offered_options, web_face

    try:
        if opened.settings.web_port is not None:
            await stack.enter_async_context(web_face(opened))
        else:
            try:
                await stack.enter_async_context(web_face(opened, offered_options()))
            # Nobody chose the usual port, so any free one will do. A port that was set is never replaced
            # silently.
            except PortTaken:
                await stack.enter_async_context(web_face(opened, offered_options(any_port=True)))
    except WebRefused as refused:
        say(str(refused))
        return
    from api import MakeLoginLink
    from bridge.control_socket import local_actor

    link = await opened.service.perform(local_actor(), MakeLoginLink())
    say(f"In a browser, too; this link logs you in once, within five minutes: {link.url}")


def _stop_if_pointless(owner: Owner | None, deadline: float, lost: CoreLost) -> None:
    """Raise an error unless the owner may just be starting or ending: `AlreadyOwned`, or the key's."""
    from bridge.control_client import KeyUnreadable

    # A script that restores the database owns the directory without listening.
    waits = owner is not None and owner.kind != OwnerKind.SCRIPT
    if not waits or asyncio.get_running_loop().time() >= deadline:
        raise lost if isinstance(lost, KeyUnreadable) else AlreadyOwned(owner)
