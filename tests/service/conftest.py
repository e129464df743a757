"""The service is tested on the sessions' own fixtures."""

from tests.sessions.conftest import db, here

__all__ = ["db", "here"]
