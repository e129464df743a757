"""The settings as the core's parts take them: the rules for sessions, and the parts of the service."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from api.access import Actor
from api.wire import Named
from backends.commands.runner import Commands
from bridge.control_socket import local_actor
from bridge.discord_access import NamedPeople
from bridge.sandbox_tools import KEYS
from bridge.sandboxing import Sandboxing
from bridge.settings import Settings
from bridge.settings_choices import CutTurns
from service import BackupKeeping, Budget, FolderRules, ServiceParts, WorkflowParts
from sessions.bypass import BypassRule
from sessions.checkpointing import CheckpointPolicy
from sessions.claude.transcript import config_directory
from sessions.dependencies import Patience
from sessions.machine_reserve import MachineReserve
from sessions.manager import Policy, SessionManager
from sessions.retention import RetentionRules
from sessions.slots import Limits
from sessions.supervision import Vigilance
from sessions.trust import TrustPolicy
from storage import Database
from workdirs.checkpoint_rules import CheckpointRules, RetentionAges
from workdirs.model import Caps


def session_policy(settings: Settings, sandboxing: Sandboxing, commands: Commands) -> Policy:
    """Return the rules for sessions. `wiring.py` adds the tools and the news of the sandbox."""
    return Policy(
        run_directory=settings.data_dir / "run",
        workspace_root=settings.workspace_root,
        private_places=_private_places(settings),
        resources=MachineReserve(settings.data_dir, settings.min_free_memory, settings.min_free_disk),
        limits=Limits(settings.max_sessions, settings.max_sessions_per_user),
        patience=Patience(
            start_s=settings.start_timeout, idle_s=settings.default_timeout, freeze_s=settings.freeze_after
        ),
        vigilance=Vigilance(
            no_progress_s=settings.no_progress_timeout,
            ask_timeout_s=settings.ask_timeout,
            ask_park_s=settings.ask_park_after,
            schedule_keep_s=settings.schedule_keep,
        ),
        retention=RetentionRules(
            keep_ended_days=settings.retention_days,
            archive_after_days=settings.archive_after_days,
            max_ended=settings.retention_sessions,
            max_ended_bytes=settings.retention_size,
            keep_archived_days=settings.archive_retention_days,
        ),
        default_model=settings.claude_model,
        default_mode=settings.permission_mode,
        continue_cut_turns=settings.resume_cut_turns is CutTurns.CONTINUE,
        trust=TrustPolicy(settings.trust_projects, settings.mcp_servers, _is_admin(settings)),
        bypass=BypassRule(settings.bypass_for, sandboxing.is_confined, _is_admin(settings)),
        surveys=settings.project_survey,
        asks_for_titles=settings.claude_titles,
        checkpoints=_checkpoints(settings) if settings.checkpoints else None,
        commands=commands,
    )


def _checkpoints(settings: Settings) -> CheckpointPolicy:
    caps = Caps(
        max_file_bytes=settings.checkpoint_max_file,
        max_files=settings.checkpoint_max_files,
        max_store_bytes=settings.checkpoint_max_store,
    )
    # A checkpoint of the workspace root would put the files of all projects into one store.
    private = (*_private_places(settings), settings.workspace_root)
    rules = CheckpointRules(settings.data_dir / "checkpoints", caps, RetentionAges(), private)
    return CheckpointPolicy(rules, settings.checkpoint_wait, settings.checkpoint_interval)


def _private_places(settings: Settings) -> tuple[Path, ...]:
    """Return the paths that are no project's: our data, settings, code, Claude's settings, home, keys."""
    own = (settings.data_dir, settings.database_path, Path(".env").absolute(), Path(__file__).parents[1])
    home = Path.home()
    return (*own, config_directory(os.environ), home, *(home / name for name in KEYS))


def _is_admin(settings: Settings) -> Callable[[str], bool]:
    """Whether an owner's id is an admin's: an admin of the settings, or the user of this machine's terminal."""
    # Ids carry their face: a number of Discord's can never be a user of the machine.
    admins = {f"discord:{each}" for each in settings.admin_user_ids} | {local_actor().user_id}
    return admins.__contains__


def service_parts(settings: Settings, database: Database, manager: SessionManager) -> ServiceParts:
    """Return the parts of the service. `wiring.py` adds the network of sandboxes."""
    return ServiceParts(
        manager,
        Budget(settings.user_turns_per_hour, settings.user_dollars_per_day),
        settings.secrets,
        folder_rules=FolderRules(settings.score_axes, settings.session_copy),
        backup_keeping=BackupKeeping(
            settings.backup_keep_days, settings.backup_keep_weeks, settings.backup_keep_sessions
        ),
        copy_database=partial(_copy_database, database),
        copy_elsewhere=partial(_copy_elsewhere, settings.backup_command) if settings.backup_command else None,
        workflows=WorkflowParts(settings.data_dir, partial(_person, NamedPeople(settings))),
    )


async def _copy_database(database: Database) -> Path:
    """Copy the database, test the copy, and return its path."""
    # Imported at the first backup: most starts make none.
    from bridge.backups import back_up

    return (await back_up(database)).path


async def _copy_elsewhere(command: tuple[str, ...], path: Path) -> int:
    """Run BACKUP_COMMAND with the path of a backup; return its exit code."""
    from bridge.backup_command import run_backup_command

    return await run_backup_command(command, path)


async def _person(people: NamedPeople, user_id: str) -> Actor:
    """Return the person whom a work-flow acts for, with their rights as of now."""
    return await people.actor(Named(user_id, "workflow"))
