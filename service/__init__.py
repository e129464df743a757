"""The core as faces see it: every command of every face is authorized, audited and carried out here."""

from service.entry import SessionService
from service.linking import LoginLinks
from service.parts import BackupKeeping, FolderRules, ServiceParts, WorkflowParts
from service.quotas import Budget

__all__ = [
    "BackupKeeping",
    "Budget",
    "FolderRules",
    "LoginLinks",
    "ServiceParts",
    "SessionService",
    "WorkflowParts",
]
