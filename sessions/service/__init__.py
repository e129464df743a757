"""The core as faces see it: every command of every face is authorized, written down and carried out here."""

from sessions.service.entry import SessionService

__all__ = ["SessionService"]
