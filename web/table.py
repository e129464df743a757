"""The table of all routes."""

from web.handlers import (
    administering,
    agents,
    asks,
    branches,
    checkpoints,
    doors,
    files,
    jumps,
    pages,
    prompt_templates,
    reviewing,
    sessions,
    shared_pages,
    sharing,
    turns,
    work_pages,
    workflows,
)
from web.routing import Route

ROUTES: tuple[Route, ...] = (
    *sessions.ROUTES,
    *turns.ROUTES,
    *asks.ROUTES,
    *checkpoints.ROUTES,
    *branches.ROUTES,
    *files.ROUTES,
    *sharing.ROUTES,
    *shared_pages.ROUTES,
    *prompt_templates.ROUTES,
    *doors.ROUTES,
    *administering.ROUTES,
    *agents.ROUTES,
    *jumps.ROUTES,
    *reviewing.ROUTES,
    *pages.ROUTES,
    *work_pages.ROUTES,
    *workflows.ROUTES,
)
