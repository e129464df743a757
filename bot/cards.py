"""The status card of a session and its notices. Pure: what is known goes in, a card comes out.

A colour never says anything that words do not say too. Each notice says what happened and what comes next.
"""

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from api import SessionInfo
from bot.bodies import Button, Card, Control, PostWish, Style, Verb
from bot.markdown.cards import escape_inline
from bot.wording import counted, moment, sentence, tokens
from sessions.events import USAGE_LIMIT, Noticed
from sessions.model import Activity, Blocker, Lifecycle

WORKING = 0x5865F2
QUIET = 0x4E5058
WAITING = 0xF0B232
TROUBLED = 0xDA373C
STATUS_SUBJECT = "status"
CONTEXT_SUBJECT = "notice:context"
NEARLY_FULL = 0.8
_GIT_DEADLINE_S = 2.0
_BAR = 10

# What a turn's own posts say already: retries while it runs, and why it failed.
SAID_BY_THE_TURN = frozenset(
    {"overloaded", "rate_limited", "server_error", "connection", "model_unknown", "too_large", "turn_limit"}
)
_NEXT = {
    "login": "The prompt can be sent again once Claude is logged in.",
    "context_full": "`/turn command compact` makes room; a new session begins with an empty one.",
    "conversation_lost": "Say again what Claude needs to know.",
    "disk": "Queued prompts wait until there is room again.",
    "memory": "Queued prompts wait until there is memory again.",
    "process_ended": "The conversation is kept: send a prompt, or press Continue on the last answer.",
    "crash_loop": "The conversation is kept.",
    "broken": "The conversation is kept.",
    "no_progress": "Stop is on the last post.",
    "shared_directory": "Both can change the same files.",
}
_TITLES = {
    USAGE_LIMIT: "Usage limit reached",
    "usage_warning": "Usage limit near",
    "login": "Claude needs a login",
    "context_full": "The conversation is full",
    "conversation_lost": "Claude's memory of this is gone",
    "cleared": "A new conversation",
    "model_fallback": "Another model answers",
    "disk": "The disk is nearly full",
    "memory": "Memory is short",
    "budget": "Budget",
    "process_ended": "Claude's process ended",
    "failed": "Claude could not go on",
    "crash_loop": "Claude keeps failing to start",
    "broken": "This session broke down",
    "shared_directory": "Two sessions, one directory",
    "ask_reminder": "Claude still waits",
    "no_progress": "No sign of life",
    "permissions": "Permissions came along",
    "gap": "A gap was filled",
    "files_not_imported": "Files were left behind",
}
_MILD = frozenset(
    {
        "usage_warning",
        "cleared",
        "model_fallback",
        "shared_directory",
        "budget",
        "ask_reminder",
        "gap",
        "permissions",
        "files_not_imported",
    }
)


@dataclass(frozen=True, slots=True)
class WorkPlace:
    """Where Claude works: the branch and the last commit, empty where there are none."""

    branch: str = ""
    commit: str = ""


async def read_work_place(directory: Path) -> WorkPlace:
    """Ask git about `directory`, at most two seconds; an empty answer if it is not a repository of its own."""
    try:
        async with asyncio.timeout(_GIT_DEADLINE_S):
            branch = await _git(directory, "symbolic-ref", "-q", "--short", "HEAD")
            commit = await _git(directory, "log", "-1", "--no-show-signature", "--format=%h %s")
            return WorkPlace(branch, commit)
    except (TimeoutError, OSError):
        return WorkPlace()


async def _git(directory: Path, *arguments: str) -> str:
    # The repository is not ours: nothing of its configuration may run, and no parent's is to be shown.
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CEILING_DIRECTORIES": str(directory.parent),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_PAGER": "cat",
    }
    options = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}", "-c", "log.mailmap=false")
    process = await asyncio.create_subprocess_exec(
        "git",
        "--no-pager",
        *options,
        *arguments,
        cwd=directory,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        out, _ = await process.communicate()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):  # it would be taken for git's, and the cancellation lost
            process.kill()
        await process.wait()
        raise
    return out[:1000].decode(errors="replace").strip() if process.returncode == 0 else ""


# --- status ---------------------------------------------------------------------------------------------


def state_words(info: SessionInfo) -> str:
    """The session's state in words that need no explanation."""
    match info.lifecycle:
        case Lifecycle.QUEUED:
            ahead = info.place_in_line or 0
            return f"waiting for a place; {counted(ahead, 'session')} first" if ahead else "waiting for a place"
        case Lifecycle.STARTING:
            return "starting"
        case Lifecycle.STOPPING:
            return "stopping"
        case Lifecycle.PARKED:
            return "asleep; the next prompt wakes it"
        case Lifecycle.ENDED:
            return "ended"
        case Lifecycle.FAILED:
            return f"failed: {escape_inline(info.reason, 200)}" if info.reason else "failed"
        case Lifecycle.LIVE:
            return _live_words(info)


def _live_words(info: SessionInfo) -> str:
    match info.activity:
        case Activity.WORKING:
            return "working"
        case Activity.ASKING:
            return "waiting for an answer"
        case Activity.BLOCKED:
            return _blocked_words(info)
        case Activity.IDLE:
            return "ready" if not info.queued_turns else "about to go on"


def _blocked_words(info: SessionInfo) -> str:
    match info.blocker:
        case Blocker.AUTH:
            return "blocked: Claude is not logged in"
        case Blocker.USAGE_LIMIT:
            until = f" until {moment(info.limit_until_ms, 't')}" if info.limit_until_ms else ""
            return f"blocked: usage limit{until}"
        case Blocker.RETRYING:
            return "trying again after an error of Claude's service"
        case Blocker.NO_PROGRESS:
            return "no sign of life for a while"
        case None:
            return "blocked"


def context_bar(info: SessionInfo) -> str:
    """`▰▰▰▱▱▱▱▱▱▱ 34 % of 200k`."""
    share = min(1.0, info.context_used / info.context_window) if info.context_window else 0.0
    full = round(share * _BAR)
    return f"{'▰' * full}{'▱' * (_BAR - full)} {share:.0%} of {tokens(info.context_window)}".replace("%", " %")


# --- notices --------------------------------------------------------------------------------------------


def notice(event: Noticed, number: int, owner_id: int) -> PostWish | None:
    """The post of a notice, or None where the turn's own posts say it. `number` is the event's."""
    if event.topic in SAID_BY_THE_TURN:
        return None
    subject = f"notice:{number}"
    if event.topic in (USAGE_LIMIT, "usage_warning"):
        # The same window is told of again and again: one post for it.
        subject = f"notice:{event.topic}:{event.until_ms or 0}"
    lines = [f"**{_TITLES.get(event.topic, 'Notice')}**", sentence(event.text, 500)]
    if event.until_ms is not None:
        what = "It opens again" if event.topic == USAGE_LIMIT else "A new window begins"
        lines.append(f"{what} {moment(event.until_ms)}, at {moment(event.until_ms, 't')}.")
    if event.topic in _NEXT:
        lines.append(f"-# {_NEXT[event.topic]}")
    urgent = event.topic == "ask_reminder"
    if urgent:
        lines[0] = f"<@{owner_id}> {lines[0]}"
    accent = WAITING if event.topic in _MILD else TROUBLED
    return PostWish(subject, 0, Card(("\n".join(lines),), accent=accent), ping=owner_id if urgent else None)


def context_notice(info: SessionInfo) -> PostWish | None:
    """The post that says that the context is nearly full; None while there is room."""
    if info.context_window <= 0 or info.context_used < NEARLY_FULL * info.context_window:
        return None
    text = (
        "**The context is nearly full**\n"
        "Claude makes room by itself when it must, and then remembers only a summary.\n"
        "-# `/turn command compact` does it now; a new session begins with an empty context."
    )
    branch = Button(Control(Verb.BRANCH, info.id), "Branch", Style.SECONDARY)
    return PostWish(CONTEXT_SUBJECT, 0, Card((text,), ((branch,),), accent=WAITING))
