"""`doctor`: checks everything that can be wrong and prints a remedy for each finding. Leaves nothing behind.

`init` uses the same checks, one at a time.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bridge.backup_checks import check_backups
from bridge.discord_checks import DiscordReport, check_discord
from bridge.discord_rest import API
from bridge.findings import Finding, Level, as_text
from bridge.findings import failed as broken
from bridge.invocation import BAD_USAGE, FAILED, OK
from bridge.machine_checks import (
    check_backend,
    check_claude,
    check_dashboard,
    check_data_directory,
    check_database,
    check_directory,
    check_env_file,
    check_git,
    check_metrics_file,
    check_prefix,
    check_resources,
    check_running,
    check_sandbox,
)
from bridge.settings import Settings
from bridge.settings_errors import Problem, SettingsWrong
from bridge.settings_loading import load_settings
from bridge.user_servers import servers_findings
from sessions.claude.launch import child_environment


class Report(msgspec.Struct, frozen=True):
    """All findings; `healthy` unless one failed. `invite` is the bot's invite link if its token is good."""

    healthy: bool
    findings: tuple[Finding, ...]
    invite: str = ""


def doctor(
    *, as_json: bool = False, only_live: bool = False, env_file: Path = Path(".env"), api: str = API
) -> int:
    """Check and print; return 0 (warnings included), 1 if a check failed, 2 for wrong settings.

    `only_live` is for health checks: it checks only that a bridge runs and answers, and fails if none runs.
    """
    try:
        settings = load_settings(env_file)
    # Every other check reads settings, so nothing else can be said.
    except SettingsWrong as wrong:
        _print(Report(healthy=False, findings=tuple(map(_wrong_setting, wrong.problems))), as_json=as_json)
        return BAD_USAGE
    if only_live:
        found = asyncio.run(check_running(settings))
        report = Report(found.level is Level.OK, (found,))
    else:
        report = asyncio.run(examine(settings, env_file, api))
    _print(report, as_json=as_json)
    return OK if report.healthy else FAILED


async def examine(settings: Settings, env_file: Path, api: str = API) -> Report:
    """Run all checks; those that wait for other programs run at the same time."""
    # Together they take as long as the slowest: Discord, or a `claude` that has to start.
    prefix, claude, discord, database, running, sandbox = await asyncio.gather(
        check_prefix(settings),
        check_claude(settings.claude_command, settings.child_env),
        check_discord(settings, api),
        check_database(settings),
        check_running(settings),
        check_sandbox(settings),
    )
    findings = [
        check_env_file(env_file),
        check_data_directory(settings.data_dir),
        check_directory("workspace", "WORKSPACE_ROOT", settings.workspace_root),
        *check_metrics_file(settings.metrics_file),
        *check_dashboard(settings),
        database,
        check_resources(settings),
        check_backend(settings),
        *sandbox,
        await check_git(settings),
        await asyncio.to_thread(check_backups, settings, time.time_ns() // 1_000_000),
        *prefix,
        *claude,
        *servers_findings(child_environment(os.environ, settings.child_env), settings.mcp_servers),
        *discord.findings,
        running,
    ]
    return _report(findings, discord)


def _wrong_setting(problem: Problem) -> Finding:
    where = f" (.env.example, line {problem.line})" if problem.line else ""
    return broken("settings", f"{problem.name} {problem.trouble}.", f"{problem.remedy}.{where}")


def _report(findings: Sequence[Finding], discord: DiscordReport) -> Report:
    healthy = not any(each.level is Level.FAILED for each in findings)
    return Report(healthy, tuple(findings), discord.invite)


def _print(report: Report, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(report).decode())
        return
    print(as_text(report.findings, colours=sys.stdout.isatty()))
    if report.invite:
        print(f"\nTo invite the bot into a server: {report.invite}")
    count = sum(each.level is Level.FAILED for each in report.findings)
    if count:
        print(f"\n{count} of {len(report.findings)} checks failed; the arrows say what to do.")
