"""The whole program and its scripts, for the nursery: the imports of a start are made once for all tests."""

import importlib

from bridge.__main__ import main

IMPORTED_LATE = (
    "bridge.cli", "bridge.cli_chat", "bridge.cli_core", "bridge.cli_status", "bridge.control_client",
    "bridge.discord_face", "bridge.doctor", "bridge.script_core", "bridge.wiring", "console.chat",
    "console.once",
)  # fmt: skip


def run(script: str, *arguments: str) -> int:
    """Run the script of this name, or without a name `python -m bridge`; return the exit code."""
    if not script:
        return main(arguments)
    made: int = importlib.import_module(f"scripts.{script}").main(arguments)
    return made
