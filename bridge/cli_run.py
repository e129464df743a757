"""The bridge itself: with a Discord token a bot, without one the terminal face."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import machine
from bridge.cli_core import Dashboard, finish, say_on_stderr
from bridge.garbage_collection import rare_collections
from bridge.invocation import BAD_USAGE, OK, Chat, Run
from bridge.ownership import AlreadyOwned, OwnerKind, current_owner
from bridge.settings import Settings
from bridge.settings_loading import missing_for_discord
from bridge.upkeep import keep_up
from machine.own_command import typed_bridge

if TYPE_CHECKING:
    from bridge.wiring import OpenCore

Face = Callable[["OpenCore"], Awaitable[None]]
"""A face on the core; runs until it is cancelled."""

_WITHOUT_DISCORD = """\
There is no Discord token, so this is the terminal. For Discord, the file .env needs three lines:
DISCORD_TOKEN, ALLOWED_GUILD_IDS and ALLOWED_USER_IDS.
`{typed} init` asks for them and checks them."""


def run_bridge(invocation: Run) -> int:
    """Run until a signal arrives or the person at the terminal leaves; return the exit code."""
    return finish(partial(_run, invocation))


async def _run(invocation: Run, settings: Settings) -> int:
    if settings.discord_token is None or invocation.demo:
        from bridge.cli_chat import chat_here

        if settings.discord_token is None:
            say_on_stderr(_WITHOUT_DISCORD.format(typed=typed_bridge()))
        return await chat_here(Chat(demo=invocation.demo), settings, Dashboard.OFFERED)
    missing = missing_for_discord(settings)
    if missing:
        say_on_stderr("The bot stays off until these settings are there, in .env or the environment:")
        for problem in missing:
            say_on_stderr(f"  - {problem.sentence}")
        say_on_stderr(f"`{typed_bridge()} init` asks for them, and checks the answers.")
        return BAD_USAGE
    faces = [_discord, keep_up] if settings.web_port is None else [_discord, _web, keep_up]
    return await run_with(settings, faces)


async def run_with(settings: Settings, faces: Sequence[Face], *, demo: bool = False) -> int:
    """Own the data directory and run `faces` on its core until cancelled (by a signal) or one of them fails.

    Raises `AlreadyOwned` within a second if another process owns it.
    """
    # Before the slow imports, so that a second bot fails at once.
    if (owner := current_owner(settings.data_dir)) is not None:
        raise AlreadyOwned(owner)
    # Few threads, one lock of the interpreter: a pool for each takes 1.5 MB and makes nothing faster.
    machine.this().share_memory_of_threads()
    from bridge.wiring import CoreOptions, open_core

    try:
        async with (
            open_core(settings, CoreOptions(OwnerKind.BOT, demo=demo)) as core,
            asyncio.TaskGroup() as tasks,
        ):
            for face in faces:
                tasks.create_task(_as_coroutine(face, core), name="face")
            # Only now that the core is open: nearly everything that a start makes stays.
            with rare_collections():
                await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        pass  # the ordinary way to end
    except ExceptionGroup as failed:
        # One face fails for one cause: raise its own error, not the group around it.
        raise failed.exceptions[0] from None
    return OK


async def _as_coroutine(face: Face, core: "OpenCore") -> None:
    await face(core)


async def _web(core: "OpenCore") -> None:
    from bridge.web_face import run_web

    await run_web(core)


async def _discord(core: "OpenCore") -> None:
    # Imports discord.py, which takes half a second: the data directory is owned before that.
    from bridge.discord_face import run_discord

    await run_discord(core)
