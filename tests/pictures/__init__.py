"""Snapshots of channels drawn as a phone shows them, for review and for `docs/discord.md`."""
