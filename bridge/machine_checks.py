"""Checks of this machine: directories, database, disk, memory, backend, Claude, a running bridge.

A check leaves nothing behind. Work that takes longer than a moment runs beside the event loop.
"""

import asyncio
import os
import shutil
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from api import QuerySessions
from backends.sandbox.model import Network
from bridge.control_client import connected
from bridge.control_socket import SocketRefused, listen, local_actor
from bridge.findings import Finding, Level, failed, ok, skipped, warning
from bridge.ownership import OwnershipError, current_owner
from bridge.sandbox_words import sandbox_findings
from bridge.sandboxing import arrange, hidden_places
from bridge.schema import schema
from bridge.settings import Settings
from bridge.settings_choices import BackendChoice
from bridge.settings_values import mode_of
from machine.own_command import typed_bridge
from sessions.claude.errors import CliBroken, CliMissing, CliTooOld, NeedsProgram
from sessions.claude.launch import child_environment
from sessions.claude.locate import LoggedIn, LoginUnknown, NotLoggedIn, locate, login_status, typed_name
from sessions.errors import SessionError
from sessions.machine_reserve import MachineReserve
from storage import StorageError, inspect
from workdirs.git import installed_version

INSTALL_CLAUDE = (
    "Install Claude Code so that `claude` is on PATH, or set CLAUDE_COMMAND, "
    "or install the extra `cli` of this package."
)

_ANSWER_S = 10.0
# The first git with `merge-tree --write-tree`, which merges without touching a work directory.
_OLDEST_GIT = (2, 38)
_OLDEST_WORDS = "2.38"


def check_directory(name: str, setting: str, path: Path, *, private: bool = False) -> Finding:
    """Whether `path`, or the nearest existing directory above it, can be written."""
    # Not `exists`: it raises for a path below a directory that this user may not enter.
    there = next(each for each in (path, *path.parents) if mode_of(each))
    if not there.is_dir():
        return failed(name, f"{path} cannot be a directory: {there} is a file.", f"Set another {setting}.")
    try:
        # Write for real: mode bits do not restrict root, and some file systems refuse all writes.
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        remedy = f"Give this user write permission there, or set another {setting}."
        return failed(name, f"{there} cannot be written by this user ({error.strerror}).", remedy)
    if path != there:
        return ok(name, f"{path} is made at the first start.")
    if private and path.stat().st_mode & 0o077:
        # Only a warning, because the next start takes these rights away by itself.
        return warning(name, f"Other users may look into {path}.", f"Run: chmod 700 {path}")
    return ok(name, f"{path}")


def check_data_directory(path: Path) -> Finding:
    """Whether DATA_DIR can be written, is private, and supports FIFOs and sockets, which hosts need."""
    found = check_directory("data", "DATA_DIR", path, private=True)
    if found.level is Level.FAILED:
        return found
    there = next(each for each in (path, *path.parents) if each.is_dir())
    # Windows drives in WSL, many network shares and USB sticks have no FIFOs, or no sockets.
    tried = "FIFO"
    try:
        with tempfile.TemporaryDirectory(dir=there) as directory:
            os.mkfifo(Path(directory, "fifo"))
            tried = "socket"
            (Path(directory) / "run").mkdir()
            # The same way as the bridge does it, with its links for long paths.
            listen(Path(directory)).close()
    except (OSError, SocketRefused) as error:
        why = getattr(error.__cause__ or error, "strerror", None) or error
        sentence = f"The file system of {there} takes no {tried} ({why})."
        remedy = "Put it on a Linux file system, not on a Windows drive, a network share or a USB stick."
        return failed("data", sentence, f"{remedy} DATA_DIR names it.")
    return found


def check_metrics_file(path: Path | None) -> list[Finding]:
    """Whether figures can be written to METRICS_FILE; no finding if it is not set."""
    if path is None:
        return []
    if not path.parent.is_dir():
        remedy = "Make that directory, or set another METRICS_FILE."
        return [failed("metrics", f"{path.parent} is not there, so no figures are written.", remedy)]
    found = check_directory("metrics", "METRICS_FILE", path.parent)
    return [found if found.level is Level.FAILED else ok("metrics", f"{path}")]


def check_dashboard(settings: Settings) -> list[Finding]:
    """Return a warning if the dashboard can be read by everybody in a network; else nothing."""
    is_open = settings.web_port is not None and settings.web_insecure and not settings.web_url
    if not is_open or settings.web_host in ("127.0.0.1", "localhost", "::1"):
        return []
    words = f"WEB_INSECURE: the dashboard is at http://{settings.web_host}, and its network can read along."
    return [warning("dashboard", words, "Put a proxy with https before it, and set WEB_URL.")]


def check_env_file(path: Path) -> Finding:
    """Whether only this user can read the file with the token."""
    if not path.exists():
        return skipped("settings", f"There is no {path.name}; only variables and defaults count.")
    if path.stat().st_mode & 0o077:
        return warning("settings", f"Other users may read {path.name}.", f"Run: chmod 600 {path.name}")
    return ok("settings", f"{path.name} is in order, and only this user may read it.")


async def check_database(settings: Settings) -> Finding:
    """Whether the database file is sound and has a schema that this version knows."""
    try:
        found = await asyncio.to_thread(inspect, settings.database_path, schema())
    except (StorageError, OSError) as error:
        return failed("database", str(error), "See docs/operation.md, “Upgrade and going back”.")
    if found.damage is not None:
        remedy = "The next start sets it aside and restores the newest copy."
        return failed("database", f"The file is damaged ({found.damage}).", remedy)
    if not found.exists:
        return ok("database", "It is made at the first start.")
    if found.pending:
        return ok("database", "It is sound; the next start copies it and brings it up to date.")
    return ok("database", f"It is sound and up to date (schema version {found.version}).")


def check_resources(settings: Settings) -> Finding:
    """Whether memory and disk are above the reserves."""
    data_dir = settings.data_dir
    directory = next(each for each in (data_dir, *data_dir.parents) if stat.S_ISDIR(mode_of(each)))
    resources = MachineReserve(directory, settings.min_free_memory, settings.min_free_disk)
    shortages = [each for each in (resources.memory_shortage(), resources.disk_shortage()) if each]
    if shortages:
        remedy = "Free some, or set MIN_FREE_MEMORY or MIN_FREE_DISK lower."
        return warning("resources", " ".join(shortages), remedy)
    return ok("resources", "Memory and disk are above the reserves.")


def check_backend(settings: Settings) -> Finding:
    """Whether the backend of the settings is available."""
    found = shutil.which("tmux")
    if settings.backend is BackendChoice.PTY:
        return ok("backend", "Sessions run on PTYs, as BACKEND says.")
    if found is not None:
        return ok("backend", "Sessions run in tmux.")
    remedy = "Install tmux (for example: apt install tmux)."
    if settings.backend is BackendChoice.TMUX:
        return failed("backend", "BACKEND is tmux, and tmux is not installed.", remedy)
    sentence = "tmux is not installed: sessions run on PTYs, and nobody can look at their windows."
    return warning("backend", sentence, remedy)


async def check_prefix(settings: Settings) -> list[Finding]:
    """Whether a process starts through HOST_PREFIX: tries one that ends at once. No finding if it is unset."""
    if not settings.host_prefix:
        return []
    remedy = "Correct HOST_PREFIX; docs/operation.md says what it is for. Without it, sessions start directly."
    # As sessions start it: a prefix that needs more than Claude's variables would fail for them.
    environment = child_environment(os.environ, settings.child_env)
    try:
        process = await asyncio.create_subprocess_exec(
            *settings.host_prefix, "true", env=environment, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
    except OSError as error:
        return [failed("prefix", f"HOST_PREFIX cannot be started ({error.strerror}).", remedy)]
    try:
        async with asyncio.timeout(_ANSWER_S):
            said = (await process.communicate())[1].decode("utf-8", "replace").strip().partition("\n")[0]
    except TimeoutError:
        process.kill()
        await process.wait()
        return [failed("prefix", f"HOST_PREFIX started nothing within {_ANSWER_S:.0f} seconds.", remedy)]
    if process.returncode:
        return [
            failed("prefix", f"HOST_PREFIX starts nothing: {said or f'code {process.returncode}'}.", remedy)
        ]
    return [ok("prefix", "Sessions start through HOST_PREFIX.")]


async def check_sandbox(settings: Settings) -> list[Finding]:
    """Whether the sandbox of the settings works here: tries each mechanism once."""
    with tempfile.TemporaryDirectory() as place:
        found = await asyncio.to_thread(arrange, settings, hidden_places(settings), Path(place))
        findings = sandbox_findings(found)
        if found.policy.network is Network.LISTED and not found.refuses:
            findings.append(await asyncio.to_thread(_package_hosts, Path(place)))
    return findings


def _package_hosts(place: Path) -> Finding:
    from bridge.package_hosts import CACHE, learned_hosts

    learned = learned_hosts(place / CACHE, os.environ)
    words = "; ".join(f"{each.source}: {', '.join(host.host for host in each.hosts)}" for each in learned)
    sentence = f"Hosts that package tools of this machine name: {words or 'none'}."
    return ok("network", f"{sentence} Others are asked about once for each project.")


async def check_git(settings: Settings) -> Finding:
    """Whether git can keep checkpoints."""
    if not settings.checkpoints:
        return skipped("checkpoints", "They are switched off: CHECKPOINTS=false.")
    version = await installed_version()
    remedy = f"Install git {_OLDEST_WORDS} or newer."
    if version is None:
        return warning("checkpoints", "There is no git here, so files cannot be kept and put back.", remedy)
    shown = ".".join(map(str, version))
    if version < _OLDEST_GIT:
        return warning("checkpoints", f"git {shown} is too old to merge branches.", remedy)
    return ok("checkpoints", f"git {shown} keeps the files of projects.")


async def check_claude(configured: str, child_env: Sequence[str]) -> list[Finding]:
    """Whether a working Claude is installed and logged in; the arguments are two of the settings."""
    environment = child_environment(os.environ, child_env)
    try:
        cli = await locate(configured, environment)
    except NeedsProgram as error:
        remedy = f"Put {error.program} on PATH, or install Claude Code's own program, which needs none."
        return [failed("claude", str(error), remedy)]
    except (CliMissing, CliBroken, CliTooOld) as error:
        return [failed("claude", str(error), INSTALL_CLAUDE)]
    findings = [ok("claude", f"Claude Code {cli.version}")]
    match await login_status(cli.command, environment):
        case LoggedIn(method=method):
            findings.append(ok("login", f"Claude is logged in ({method or 'no method named'})."))
        case NotLoggedIn():
            findings.append(failed("login", "Nobody is logged in to Claude.", how_to_log_in(cli.command)))
        case LoginUnknown(reason=reason):
            findings.append(warning("login", reason, "Try `claude auth status` by hand."))
    return findings


def how_to_log_in(command: Sequence[str]) -> str:
    """Return the sentence that tells a person how to log `command` in."""
    typed = typed_name(command)
    return f"Run `{typed} auth login`, or set ANTHROPIC_API_KEY; without a browser: `{typed} setup-token`."


async def check_running(settings: Settings) -> Finding:
    """Whether a bridge runs on the data directory and answers."""
    try:
        owner = current_owner(settings.data_dir)
    except OwnershipError as error:
        return failed("bridge", str(error), "Correct the owner of DATA_DIR.")
    if owner is None:
        return skipped("bridge", "No bridge runs.", f"Start it with: {typed_bridge()}")
    try:
        # A request, not just a connection: the kernel accepts connections for a bridge that hangs, too.
        async with asyncio.timeout(_ANSWER_S), connected(settings.data_dir) as core:
            await core.perform(local_actor(), QuerySessions(limit=1))
    except (SessionError, TimeoutError, OSError):
        remedy = "Look at its log. Ending it is safe, Claude's work goes on; then start it again."
        return failed("bridge", f"Process {owner.pid} runs and does not answer.", remedy)
    return ok("bridge", f"It runs and answers (process {owner.pid}, {owner.kind}).")
