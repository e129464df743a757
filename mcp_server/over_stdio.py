"""Serve MCP on stdin and stdout, until the client closes them."""

from mcp.server.stdio import stdio_server

from mcp_server.serving import AgentServer, Reach


async def serve_stdio(reach: Reach, *, version: str = "") -> None:
    """Serve one client. Nothing else may use stdout meanwhile."""
    server = AgentServer(reach, version=version).server
    async with stdio_server() as (requests, answers):
        await server.run(requests, answers, server.create_initialization_options())
