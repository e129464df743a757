"""Choose the sandbox of this start by the settings: which mechanism works here, and the policy for it.

Each mechanism is tried once, with the flags that Claude gets later. `auto` goes on without a sandbox if none
works. Every other choice refuses each launch in words, and so does a limited network: neither falls back.
"""

import hashlib
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from backends.base import LaunchRefused, LaunchSpec
from backends.sandbox.bwrap import in_bwrap
from backends.sandbox.landlock import Unavailable, in_landlock, landlock_abi
from backends.sandbox.model import Access, Limits, Mechanism, Network, Policy
from backends.sandbox.probe import Probed, find_bwrap, limit_counts_inside, probe_bwrap
from backends.sandbox.seccomp import filter_program
from backends.sandbox.system import system_secrets, this_system
from backends.wrappers import LaunchWrapper
from bridge.sandbox_tools import secrets_below, tools_below
from bridge.settings import Settings
from bridge.settings_choices import SandboxChoice, ToolsChoice
from sessions.claude.sandbox_access import SandboxOptions
from sessions.claude.transcript import config_directory


class LandlockFound(msgspec.Struct, frozen=True):
    """The version of Landlock in this kernel, 0 if there is none; then `why` is the reason in words."""

    abi: int = 0
    why: str = ""


class Sandboxing(msgspec.Struct, frozen=True):
    """The sandbox of this start. Without `wrapper` and `options`, processes run without one.

    `bwrap` and `landlock` are the results of the trials; None for a mechanism that was not tried. `refuses`: no
    process starts, because the settings demand a sandbox and none works.
    """

    policy: Policy
    wrapper: LaunchWrapper | None = None
    options: SandboxOptions | None = None
    bwrap: Probed | None = None
    landlock: LandlockFound | None = None
    refuses: bool = False

    @property
    def is_confined(self) -> bool:
        """Whether new processes run in bubblewrap with a limited network."""
        return self.policy.mechanism is Mechanism.BWRAP and self.policy.network is not Network.OPEN


def arrange(settings: Settings, private: Sequence[Path], place: Path) -> Sandboxing:
    """Try the mechanisms of the setting SANDBOX. Blocks for a moment.

    No sandbox shows the places `private`. The system call filter is written to the directory `place`.
    """
    choice = settings.sandbox
    policy = policy_of(settings, private, place)
    if choice is SandboxChoice.OFF:
        return Sandboxing(policy)
    options = SandboxOptions(
        state=settings.data_dir / "sandbox",
        kept=() if settings.sandbox_keep == ("none",) else settings.sandbox_keep,
        ssh_agent=settings.sandbox_ssh_agent,
    )
    bwrap = landlock = None
    if choice is not SandboxChoice.LANDLOCK:
        found = replace(policy, mechanism=Mechanism.BWRAP, program=find_bwrap())
        found = replace(found, seccomp_filter=_write_filter(place))
        bwrap = probe_bwrap(found)
        if bwrap.refusal is None:
            # Landlock inside of bwrap keeps programs from each other's open files: see `landlock.within`.
            found = replace(found, landlock=_look_for_landlock().abi)
            return Sandboxing(found, in_bwrap(found), options, bwrap)
    if choice is not SandboxChoice.BWRAP:
        landlock = _look_for_landlock()
        found = replace(policy, mechanism=Mechanism.LANDLOCK)
        # Landlock cannot limit the network. `auto` does without, and says so.
        if landlock.abi and (policy.network is Network.OPEN or choice is SandboxChoice.LANDLOCK):
            # Landlock only forbids: it can put nothing in the place of something else.
            options = replace(options, mounts=False)
            return Sandboxing(found, in_landlock(found, landlock.abi), options, bwrap, landlock)
    # A limited network is a demand, and no process starts without it.
    if choice is SandboxChoice.AUTO and policy.network is Network.OPEN:
        return Sandboxing(policy, None, None, bwrap, landlock)
    return Sandboxing(policy, _refusing(settings), options, bwrap, landlock, refuses=True)


def _look_for_landlock() -> LandlockFound:
    try:
        return LandlockFound(landlock_abi())
    except Unavailable as error:
        return LandlockFound(why=str(error))


def _write_filter(directory: Path) -> Path | None:
    """Write the system call filter for bwrap, and return its path; None for a machine without a table."""
    program = filter_program(platform.machine(), shares_processes=False)
    if program is None:
        return None
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A new name for each content: a bridge that runs meanwhile keeps its own.
    path = directory / f"filter-{hashlib.sha256(program).hexdigest()[:12]}.bpf"
    if not path.exists():
        draft = path.with_suffix(f".{os.getpid()}.tmp")
        draft.touch(mode=0o600)
        draft.write_bytes(program)
        # Only whole files have the name: a session that starts now may read it.
        draft.rename(path)
    return path


def policy_of(settings: Settings, private: Sequence[Path], place: Path) -> Policy:
    """Return the policy of the settings, without a mechanism; `place` holds the files of sandboxes."""
    tools: tuple[Path, ...] = ()
    if settings.sandbox_tools is ToolsChoice.AUTO:
        tools = tools_below(Path.home(), os.environ.get("PATH", ""))
    return Policy(
        mechanism=Mechanism.NONE,
        network=settings.sandbox_network,
        proxy=place / "proxy" if settings.sandbox_network is not Network.OPEN else None,
        # A kernel that counts all processes of the user would let one session use up the limit of the others.
        limits=Limits(settings.sandbox_processes if limit_counts_inside() else None, settings.sandbox_tmp),
        system=this_system(),
        access=Access(read=(*settings.sandbox_read, *tools), write=settings.sandbox_write),
        hidden=(*private, *system_secrets(), *secrets_below(Path.home())),
    )


def hidden_places(settings: Settings) -> tuple[Path, ...]:
    """Return the places that no sandbox shows, but for what a launch names in them."""
    own = (settings.data_dir, settings.database_path, Path(".env").absolute(), settings.workspace_root)
    return (*own, config_directory(os.environ), Path.home())


def _refusing(settings: Settings) -> LaunchWrapper:
    demand = f"SANDBOX={settings.sandbox.value}"
    if settings.sandbox_network is not Network.OPEN:
        demand += f" with SANDBOX_NETWORK={settings.sandbox_network.value}"
    reason = f"{demand} demands a sandbox, and none works on this machine. `doctor` tells why"

    def refuse(spec: LaunchSpec) -> LaunchSpec:
        raise LaunchRefused(spec.argv[0], reason=reason)

    return refuse
