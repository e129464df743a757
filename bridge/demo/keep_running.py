"""Keeps the demo model running beside a core: it ends by itself when nobody used it for a while."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.background_task import running
from bridge.demo.process import DemoError, demo_environment, ensure_demo

log = logging.getLogger(__name__)

NOT_IN_DEMO = ("ANTHROPIC", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CONFIG_DIR")
"""Beginnings of names: keys and addresses of the real Claude. The demo's take their place."""

_CHECK_S = 30.0
# Claude keeps plans beside its settings, which for the demo is in DATA_DIR, where its tools may write nothing.
_PREFERENCES = '{"plansDirectory": ".claude/plans"}\n'


@asynccontextmanager
async def kept_demo(directory: Path) -> AsyncIterator[Mapping[str, str]]:
    """The variables with which Claude asks the demo model in `directory`; it runs as long as the block does.

    Raises `DemoError` if it cannot be started.
    """
    endpoint = await ensure_demo(directory)
    preferences = endpoint.config_directory / "settings.json"
    if not preferences.exists():
        preferences.touch(mode=0o600)
        preferences.write_text(_PREFERENCES)
    async with running(_keep(directory), "demo model"):
        yield demo_environment(endpoint)


async def _keep(directory: Path) -> None:
    """Start the model again whenever it has ended."""
    while True:
        await asyncio.sleep(_CHECK_S)
        try:
            await ensure_demo(directory)
        except DemoError as error:
            log.warning("demo model not running", extra={"why": str(error)})
