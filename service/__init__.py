"""The core as faces see it: every command of every face is authorized, audited and carried out here."""

from service.entry import SessionService
from service.linking import LoginLinks
from service.parts import ServiceParts, WorkflowParts
from service.quotas import Budget

__all__ = ["Budget", "LoginLinks", "ServiceParts", "SessionService", "WorkflowParts"]
