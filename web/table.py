"""The table of all routes."""

from web.handlers import administering, asks, doors, files, pages, sessions, sharing, turns
from web.routing import Route

ROUTES: tuple[Route, ...] = (
    *sessions.ROUTES,
    *turns.ROUTES,
    *asks.ROUTES,
    *files.ROUTES,
    *sharing.ROUTES,
    *doors.ROUTES,
    *administering.ROUTES,
    *pages.ROUTES,
)
