"""Calls of the bridge's tools by an agent outside, over stdio with the SDK's own client."""

import time
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, median
from tests.mcp_server.served import client, served_core

CALLS = 200


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    """The wall time of calls that read and of one that writes, one after the other."""
    count = CALLS // 10 if short else CALLS
    async with served_core(directory / "core") as core, client(core.directory) as agent:
        await agent.call_tool("session_start", {"focus": "measured"})

        async def times(tool: str, **arguments: Any) -> list[float]:
            found = []
            for _ in range(count):
                begun = time.perf_counter()
                result = await agent.call_tool(tool, arguments)
                found.append((time.perf_counter() - begun) * 1000)
                assert not result.is_error, result.content
            return found

        reads, writes = await times("find_sessions"), await times("session_note", text="n")
    return [
        Figure("MCP call over stdio that reads, p50", median(reads), "ms", at_most=15),
        Figure("MCP call over stdio that writes a note, p50", median(writes), "ms", at_most=15),
    ]
