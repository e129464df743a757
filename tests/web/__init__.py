"""The web face on a real core, over real HTTP and WebSocket on loopback."""
