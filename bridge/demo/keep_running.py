"""Keeps the demo model running beside a core; without this it ends when it was not used for a while."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.background_task import kept_running
from bridge.demo.process import DemoError, demo_environment, ensure_demo

log = logging.getLogger(__name__)

NOT_IN_DEMO = ("ANTHROPIC", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CONFIG_DIR")
"""Prefixes of variables with the keys and addresses of the real Claude; the demo sets its own instead."""

_CHECK_S = 30.0
# By default Claude keeps plans beside its settings, for the demo in DATA_DIR, where its tools may not write.
_PREFERENCES = '{"plansDirectory": ".claude/plans"}\n'


@asynccontextmanager
async def kept_demo(directory: Path) -> AsyncIterator[Mapping[str, str]]:
    """Yield the variables that make Claude use the demo model in `directory`; keep it running inside the block.

    Raises `DemoError` if it cannot be started.
    """
    endpoint = await ensure_demo(directory)
    preferences = endpoint.config_directory / "settings.json"
    if not preferences.exists():
        preferences.touch(mode=0o600)
        preferences.write_text(_PREFERENCES)
    async with kept_running(lambda: _keep(directory), "demo model"):
        yield demo_environment(endpoint)


async def _keep(directory: Path) -> None:
    """Restart the model whenever it has ended."""
    while True:
        await asyncio.sleep(_CHECK_S)
        try:
            await ensure_demo(directory)
        except DemoError as error:
            log.warning("demo model not running", extra={"why": str(error)})
