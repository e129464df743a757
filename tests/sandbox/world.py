"""A core whose Claude is the real CLI in a sandbox, with the policy that the product makes of settings."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bridge.demo.model import DemoModel
from bridge.sandboxing import Sandboxing, arrange
from bridge.settings import Settings
from bridge.settings_loading import settings_from
from tests.fakes.cli_home import make_cli_home
from tests.sessions.running_core import CoreParts, RunningCore, running_core


def settings_for(directory: Path, **written: str) -> Settings:
    """Settings of a bridge in `directory`; `written` are further ones, by their fields' names."""
    core = directory / "core"
    places = {"data_dir": str(core), "workspace_root": str(directory / "workspaces"), "sandbox_tools": "off"}
    return settings_from({**places, **written})


def sandboxing_for(directory: Path, **written: str) -> Sandboxing:
    settings = settings_for(directory, **written)
    private = (settings.data_dir, directory / "home", directory / "claude")
    return arrange(settings, private, settings.data_dir / "sandbox")


@asynccontextmanager
async def sandboxed_core(
    directory: Path, demo: DemoModel, *, policy: dict[str, Any] | None = None, **written: str
) -> AsyncIterator[RunningCore]:
    """A running core; `written` are settings such as `sandbox="bwrap"`, `policy` changes of the manager's."""
    home = make_cli_home(directory, demo.base_url)
    arranged = sandboxing_for(directory, **{"sandbox": "bwrap", **written})
    parts = CoreParts(
        command=home.binary,
        claude=home.config,
        environment={**home.environment, "PATH": os.environ["PATH"]},
        wrappers=(arranged.wrapper,) if arranged.wrapper else (),
        sandbox=arranged.options,
    )
    changes = {"workspace_root": directory / "workspaces", **(policy or {})}
    async with running_core(directory / "core", parts, **changes) as core:
        yield core
