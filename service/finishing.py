"""Finishes, at a start, the acts that the end of the last process cut: ends of sessions, backups, restores."""

from service.backing_up import clear_cut_backups
from service.bundle_restoring import finish_cut_restores
from service.ending import finish_cut_ends
from service.parts import ServiceParts


async def finish_cut_acts(parts: ServiceParts) -> None:
    """Finish or undo them. The ends come first: they make the bundles that were cut with them again."""
    await finish_cut_ends(parts)
    await clear_cut_backups(parts)
    await finish_cut_restores(parts)
