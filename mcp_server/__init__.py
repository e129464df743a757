"""Tools for programs: for Claude in its own session, and over MCP for agents outside."""
