"""`claude-bridge web --demo`, for the nursery: the imports of a start are made once for all kills."""

from bridge.__main__ import main

IMPORTED_LATE = (
    "bridge.cli_web", "bridge.control_client", "bridge.demo.keep_running", "bridge.web_face", "bridge.wiring",
    "mcp_server.in_session",
)  # fmt: skip


def run() -> int:
    return main(["web", "--demo"])
