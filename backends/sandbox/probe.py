"""Find out which mechanism works on this machine: starts `true` in a sandbox with the exact flags."""

import os
import re
import shutil
import subprocess
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec.structs import replace

import machine
from backends.sandbox import bwrap
from backends.sandbox.model import Access, Mechanism, Policy

_TRY_S = 10.0
_LONGEST = 160
_COUNTS_INSIDE = (5, 14)
"""From this kernel on, a limit of processes counts those of the sandbox, not all of the user."""


class Refusal(StrEnum):
    """The reason why bwrap makes no sandbox; each has its paragraph in docs/sandbox.md."""

    MISSING = "missing"
    NO_USER_NAMESPACE = "no_user_namespace"
    APPARMOR = "apparmor"
    PROC_MASKED = "proc_masked"
    NESTED = "nested"
    TOO_OLD = "too_old"
    OTHER = "other"


class Probed(msgspec.Struct, frozen=True):
    """The result for bwrap: its version if it works, else the reason and its own last words."""

    version: str = ""
    refusal: Refusal | None = None
    said: str = ""


# The words of 0.8 and 0.11 differ; the kernel's or the container's part is the same.
_WORDS = (
    (re.compile(r"setting up uid map|Failed RTM_NEWADDR"), Refusal.APPARMOR),
    # Before `new namespace`: the message about nesting contains these words, too.
    (re.compile(r"ENOSPC|No space left on device|nesting depth"), Refusal.NESTED),
    (re.compile(r"new namespace"), Refusal.NO_USER_NAMESPACE),
    (re.compile(r"mount proc"), Refusal.PROC_MASKED),
    (re.compile(r"Unknown option|disable-userns"), Refusal.TOO_OLD),
)


def find_bwrap(path: str | None = None) -> Path | None:
    """Return bwrap's path. The system's own comes first: AppArmor profiles name it by that path."""
    found = next((each for each in ("/usr/bin/bwrap", "/bin/bwrap") if os.access(each, os.X_OK)), None)
    found = found if path is None else None
    found = found or shutil.which("bwrap", path=path)
    return Path(found) if found else None


def limit_counts_inside() -> bool:
    """Whether this kernel counts the processes of a sandbox apart from those of the user."""
    return machine.this().kernel_version() >= _COUNTS_INSIDE


def probe_bwrap(policy: Policy) -> Probed:
    """Start `true` in a sandbox of `policy`. Blocks for some milliseconds, at most ten seconds."""
    if policy.program is None:
        return Probed(refusal=Refusal.MISSING)
    words = bwrap.command(replace(policy, mechanism=Mechanism.BWRAP), Access(), Path("/"), info=False)
    try:
        done = subprocess.run([*words, "true"], capture_output=True, timeout=_TRY_S, check=False, env=_PLAIN)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Probed(refusal=Refusal.OTHER, said=str(error)[:_LONGEST])
    if done.returncode == 0:
        return Probed(version=_version(policy.program))
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"code {done.returncode}"]
    said = lines[-1].removeprefix("bwrap: ")[:_LONGEST]
    return Probed(refusal=next((why for words, why in _WORDS if words.search(said)), Refusal.OTHER), said=said)


def _version(program: Path) -> str:
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, timeout=_TRY_S, check=False, env=_PLAIN
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace").strip().removeprefix("bubblewrap ")


# English, whatever the system's language is: `_WORDS` are looked for in what bwrap says.
_PLAIN = {"PATH": os.defpath, "LC_ALL": "C"}
