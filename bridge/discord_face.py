"""The Discord face on an open core: values from the settings, the view, the client, and their supervisor."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import discord

from bot.checks import Check, Mark
from bot.client import BridgeClient
from bot.errors import DiscordRefused
from bot.face import DISCORD_FILE_HOSTS, Face, FaceOptions
from bot.rows_and_core import forget_old_rows
from bot.supervisor import StartBudget, Supervisor, cap_reconnect_backoff, logged_in
from bot.view import View, ViewOptions
from bridge.discord_access import access_policy
from bridge.settings import Settings
from bridge.wiring import OpenCore
from sessions.errors import SessionError

_PATH = re.compile(r"(?<![\w/.:~])/(?:[^\s/:,;()\"']+/)+([^\s/:,;()\"']*)")
_KEEP_DEALT_WITH_MS = 30 * 24 * 3600 * 1000


class DiscordEnded(SessionError):
    """Discord refuses the bot for good; the sentence says what to do."""


async def run_discord(core: OpenCore) -> None:
    """Show the core in Discord until cancelled. Raises `DiscordEnded` if Discord refuses the bot.

    The settings must be complete (`missing_for_discord`).
    """
    cap_reconnect_backoff()
    # discord.py would warn at each start that voice does not work.
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    await forget_old_rows(core.service, core.database, core.manager.now_ms() - _KEEP_DEALT_WITH_MS)
    budget = StartBudget(core.database, core.manager.now_ms)
    try:
        await Supervisor(lambda: connection(core, budget), budget).run()
    except DiscordRefused as error:
        raise DiscordEnded(str(error)) from error


@asynccontextmanager
async def connection(
    core: OpenCore, budget: StartBudget, *, guild_ready_timeout: float = 2.0
) -> AsyncIterator[BridgeClient]:
    """Yield a logged-in client with its view; on leaving, let running work end, then close the client."""
    settings = core.settings
    assert settings.discord_token is not None
    views: list[View] = []

    def make_face(client: discord.Client) -> Face:
        admin_id = min(settings.admin_user_ids, default=None)
        options = ViewOptions(
            default_model=settings.claude_model, admin_id=admin_id, signs_waiting=settings.sign_waiting
        )
        views.append(View(client, core.service, core.database, options=options))
        return _face(core, views[0])

    client = BridgeClient(make_face, budget.spend, guild_ready_timeout=guild_ready_timeout)
    async with logged_in(client, settings.discord_token.reveal()), views[0]:
        try:
            yield client
        finally:
            # Work that has begun ends first: closing the client under a request could leave it half done.
            await client.drain()


async def _examine(settings: Settings) -> Sequence[Check]:
    """Run the checks of `doctor`, and return them without paths of the machine."""
    from bridge.doctor import examine

    # discord.py's address of Discord, which tests redirect.
    report = await examine(settings, Path(".env"), discord.http.Route.BASE)
    named = {settings.data_dir: "DATA_DIR", settings.workspace_root: "WORKSPACE_ROOT", Path.home(): "~"}
    words = {str(path): name for path, name in named.items()}
    return [
        Check(each.name, Mark(each.level.value), _bare(each.sentence, words), _bare(each.remedy, words))
        for each in report.findings
    ]


def _bare(sentence: str, named: Mapping[str, str]) -> str:
    """Return `sentence` with names in place of known directories, and of other paths their last part."""
    # Longest first: DATA_DIR often lies in the home directory.
    for path in sorted(named, key=len, reverse=True):
        sentence = sentence.replace(path, named[path])
    return _PATH.sub(r"…/\1", sentence)


def _face(core: OpenCore, view: View) -> Face:
    return Face(
        examine=partial(_examine, core.settings),
        core=core.service,
        db=core.database,
        view=view,
        access=access_policy(core.settings),
        now_ms=core.manager.now_ms,
        options=FaceOptions(
            scope=core.settings.session_scope,
            thread_talk=core.settings.thread_talk,
            thread_context=core.settings.thread_context,
            models=_models(core.settings),
            has_dashboard=core.settings.web_port is not None,
            # discord.py's own address of Discord's files, which tests redirect.
            file_hosts=DISCORD_FILE_HOSTS | {urlsplit(discord.Asset.BASE).netloc},
        ),
    )


def _models(settings: Settings) -> tuple[str, ...]:
    usual = FaceOptions().models
    return usual if settings.claude_model in ("", *usual) else (settings.claude_model, *usual)
