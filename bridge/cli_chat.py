"""`chat` and `chat --once`: the terminal face on the core of this data directory."""

import sys
from functools import partial

from bridge.cli_core import Dashboard, choose_place, finish, reached_core, say_on_stderr
from bridge.control_socket import local_actor
from bridge.invocation import BAD_USAGE, Chat, ChatOnce
from bridge.settings import Settings
from machine.own_command import typed_bridge
from texts.os_text import decoded


def chat(invocation: Chat) -> int:
    """Open the screen; return the exit code."""
    return finish(partial(chat_here, invocation))


async def chat_here(invocation: Chat, settings: Settings, dashboard: Dashboard = Dashboard.AS_SET) -> int:
    """Open the screen with these settings; return the exit code when the person leaves."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        say_on_stderr(f"chat needs a terminal. Without one: {typed_bridge()} chat --once PROMPT.")
        return BAD_USAGE
    from console.chat import ChatWish, run_chat

    sentences: list[str] = []
    place = await choose_place(settings, demo=invocation.demo, say=sentences.append)
    wish = ChatWish(
        session_id=invocation.session,
        project=invocation.project,
        model=invocation.model,
        mode=invocation.mode,
        is_demo=place.demo,
        greeting=tuple(sentences),
    )
    return await run_chat(
        lambda say: reached_core(place, say, dashboard=dashboard, shows_sessions=True),
        local_actor(),
        place.settings.data_dir / "console",
        wish,
    )


def chat_once(invocation: ChatOnce) -> int:
    """Run one turn; return the exit code."""
    return finish(partial(_chat_once, invocation))


async def _chat_once(invocation: ChatOnce, settings: Settings) -> int:
    from console.once import OnePrompt, run_once

    chat = invocation.chat
    # Read as bytes: text of the locale may have lone surrogates, which no JSON and no database takes.
    prompt = decoded(sys.stdin.buffer.read()) if invocation.prompt == "-" else invocation.prompt
    # Before anything is reached: a refusal by the core would leave an empty session behind.
    if not prompt.strip():
        say_on_stderr("The prompt is empty.")
        return BAD_USAGE
    place = await choose_place(settings, demo=chat.demo, say=say_on_stderr)
    wish = OnePrompt(
        prompt=prompt,
        session_id=chat.session,
        project=chat.project,
        model=chat.model,
        mode=chat.mode,
        as_json=invocation.as_json,
    )
    return await run_once(lambda: reached_core(place, say_on_stderr, shows_sessions=True), local_actor(), wish)
