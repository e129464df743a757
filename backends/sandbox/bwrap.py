"""A sandbox by bubblewrap: puts `bwrap` with its options before a program.

Inside there are the system's directories (read-only), a `/proc`, `/dev`, `/tmp`, `/run` and `/var` of its own,
and what the launch and the settings name. Everything else does not exist. The host's shell, its follower and
the logs stay outside. `--die-with-parent` is never used: Claude outlives the shell and the bridge.

The host's shell opens descriptor 5 (`host.sh`): there bwrap tells the pid of the sandbox's process 1. It stays
outside of the sandbox. Format of the options: bwrap(1).
"""

import os
import stat
from collections.abc import Iterator, Sequence
from enum import IntEnum
from pathlib import Path

import msgspec
from msgspec.structs import replace

from backends.base import LaunchSpec
from backends.sandbox.landlock import Inner, within
from backends.sandbox.model import Access, Enclosure, Mechanism, Network, Own, Policy
from backends.sandbox.proxy.inside import WayOut, way_out
from backends.sandbox.proxy.state import ProxyPlaces
from backends.wrappers import LaunchWrapper

INFO = 5
"""The descriptor on which bwrap tells the pid of its process 1."""
_FILTER = "6"
# Directories for temporary files; outside of /tmp they do not exist inside.
_PLACES = ("TMPDIR", "CLAUDE_CODE_TMPDIR")
_VAR_BYTES = 64 * 1024 * 1024

ISOLATION = (
    "--unshare-user",
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    # In a user namespace of its own, a program has all capabilities: much more of the kernel to attack.
    "--disable-userns",
    *("--cap-drop", "ALL"),
    # Without it, a program could push input into a terminal that it shares with others (bwrap(1)).
    "--new-session",
)


class _Kind(IntEnum):
    """How a path is shown. Of two at one place, the higher one wins."""

    HIDDEN = 0
    SYSTEM = 1
    READ = 2
    WRITE = 3
    KEPT = 4
    OWN = 5
    PRIVATE = 6
    BLANK = 7


_REAL = frozenset({_Kind.SYSTEM, _Kind.READ, _Kind.WRITE, _Kind.KEPT})
"""These kinds show what lies below a directory as it is outside."""


class _Mount(msgspec.Struct, frozen=True):
    """One path inside, and the path outside that stands there (for `PRIVATE` and `HIDDEN` of no meaning)."""

    kind: _Kind
    target: Path
    source: Path


def in_bwrap(policy: Policy) -> LaunchWrapper:
    """Return the wrapper that runs each program in a sandbox of `policy`. Looks at the paths, changes none."""

    def wrap(spec: LaunchSpec) -> LaunchSpec:
        out = _way_out(policy, spec)
        has_launcher = policy.landlock > 0 or out.asks is not None
        inner = within(policy, out.environment, out.asks) if has_launcher else Inner((), out.environment, ())
        shown = (*inner.shown, *out.shown)
        words = command(policy, spec.access, spec.cwd, shown=shown, launched=has_launcher)
        environment = {name: value for name, value in inner.environment.items() if name not in _PLACES}
        environment["TMPDIR"] = "/tmp"  # noqa: S108 - its own /tmp
        enclosure = Enclosure(Mechanism.BWRAP, policy.network)
        argv = (*words, *inner.words, *spec.argv)
        return replace(spec, argv=argv, environment=environment, enclosure=enclosure)

    return wrap


def _way_out(policy: Policy, spec: LaunchSpec) -> WayOut:
    if policy.network is Network.OPEN or policy.proxy is None:
        return WayOut(environment=spec.environment)
    return way_out(ProxyPlaces(policy.proxy), spec.cwd, spec.environment)


def command(
    policy: Policy,
    access: Access,
    cwd: Path,
    *,
    shown: Sequence[tuple[Path, Path]] = (),
    info: bool = True,
    launched: bool = False,
) -> tuple[str, ...]:
    """Return the words before a program. `info`: tell the pid of process 1 on descriptor 5.

    `launched`: a launcher inside sets the limit of processes.
    `shown` are more paths outside, each with its place inside: read-only, whatever else stands there.
    """
    size = str(policy.limits.tmp_bytes)
    mounted = mounts(policy, access)
    emptied = [str(each.target) for each in mounted if each.kind is _Kind.HIDDEN and each.target.is_dir()]
    return (
        # bwrap carries out its options in this order: a mount hides what earlier ones put below its place.
        *_with_filter(policy),
        str(policy.program),
        *ISOLATION,
        *(("--unshare-net",) if policy.network is not Network.OPEN else ()),
        *(("--info-fd", str(INFO)) if info else ()),
        *(("--seccomp", _FILTER) if policy.seccomp_filter is not None else ()),
        *("--proc", "/proc", "--dev", "/dev", "--size", size, "--tmpfs", "/dev/shm"),  # noqa: S108
        *("--size", size, "--tmpfs", "/tmp"),  # noqa: S108
        *("--size", str(_VAR_BYTES), "--tmpfs", "/run"),
        *("--size", size, "--tmpfs", "/var", "--perms", "1777", "--dir", "/var/tmp"),  # noqa: S108
        *_links(policy.system.links),
        *(word for mount in mounted for word in _words(mount, size)),
        *(word for path, target in shown for word in ("--ro-bind", str(path), str(target))),
        # A write outside of the named places fails, instead of getting lost with the sandbox. Of /dev, the
        # devices stay writable. In /proc, root could change the kernel's settings even without any rights.
        *(word for path in (*emptied, "/dev", "/proc", "/") for word in ("--remount-ro", path)),
        *("--chdir", str(cwd), "--"),
        *(() if launched else _limited(policy.limits.processes)),
    )


def mounts(policy: Policy, access: Access) -> list[_Mount]:
    """Return what stands where inside, each directory before what lies below it. Leaves out missing sources."""
    everything = policy.access | access
    found = [_Mount(_Kind.SYSTEM, each, each) for each in policy.system.directories]
    found += [_Mount(_Kind.READ, each, each) for each in everything.read]
    found += [_Mount(_Kind.WRITE, each, each) for each in everything.write]
    for path in (each for each in everything.kept if _is_plain(each, everything.write)):
        found.append(_Mount(_Kind.KEPT, path, path))
        # A mount point cannot be renamed, but the directory that holds it can: with it the path would be free.
        found += [_Mount(_Kind.WRITE, each, each) for each in _between(path, everything.write)]
    found += [_Mount(_Kind.OWN, each.target, each.source) for each in everything.own]
    found += [_Mount(_Kind.PRIVATE, each, each) for each in everything.private]
    found += [_Mount(_Kind.BLANK, each.target, each.source) for each in everything.blank]
    found = [each for each in found if each.kind is _Kind.PRIVATE or each.source.exists()]
    shown = {each.target: each for each in sorted(found, key=lambda mount: mount.kind)}
    for path in policy.hidden:
        if path not in shown and path.exists() and _holder(path, shown) in _REAL:
            shown[path] = _Mount(_Kind.HIDDEN, path, path)
    for mount in [each for each in shown.values() if each.kind is _Kind.READ]:
        if _holder(mount.target, shown) in (_Kind.SYSTEM, _Kind.READ):
            # It is there already. A link there cannot be mounted on; what it points to has to be there, too.
            del shown[mount.target]
            real = mount.source.resolve()
            if real != mount.target and real not in shown and _holder(real, shown) not in _REAL:
                shown[real] = _Mount(_Kind.READ, real, real)
    for mount in list(shown.values()):
        # bwrap would follow the link while it still sees everything outside.
        if _is_planted(mount.target, everything.own):
            del shown[mount.target]
    return sorted(shown.values(), key=lambda mount: (len(mount.target.parts), mount.target))


def _holder(path: Path, shown: dict[Path, _Mount]) -> _Kind | None:
    """Return how the nearest directory above `path` is shown; None if nothing above it is."""
    return next((shown[parent].kind for parent in path.parents if parent in shown), None)


def _is_planted(target: Path, own: Sequence[Own]) -> bool:
    """Whether a link stands at `target`, or on the way to it, in a directory that programs inside can write."""
    above = [each for each in own if each.target != target and target.is_relative_to(each.target)]
    if not above:
        return False
    nearest = max(above, key=lambda each: len(each.target.parts))
    place = nearest.source
    for part in target.relative_to(nearest.target).parts:
        place /= part
        if place.is_symlink():
            return True
    return False


def _is_plain(path: Path, above: Sequence[Path]) -> bool:
    """Whether no part of `path` below a directory of `above` is a link.

    A program inside can make links there. Mounting through one would show or touch what it points to.
    """
    for part in (path, *_between(path, above)):
        try:
            if stat.S_ISLNK(part.lstat().st_mode):
                return False
        except OSError:
            return False
    return True


def _between(path: Path, above: Sequence[Path]) -> list[Path]:
    """Return the directories between `path` and the directory of `above` that holds it, both left out."""
    root = next((each for each in above if path.is_relative_to(each)), path.parent)
    return [each for each in path.parents if each != root and each.is_relative_to(root)]


def _words(mount: _Mount, size: str) -> Iterator[str]:
    source, target = str(mount.source), str(mount.target)
    match mount.kind:
        case _Kind.SYSTEM | _Kind.READ | _Kind.KEPT | _Kind.BLANK:
            yield from ("--ro-bind", source, target)
        case _Kind.WRITE | _Kind.OWN:
            yield from ("--bind", source, target)
        case _Kind.PRIVATE:
            yield from ("--size", size, "--tmpfs", target)
        case _Kind.HIDDEN if mount.target.is_dir():
            yield from ("--tmpfs", target)
        case _Kind.HIDDEN:
            yield from ("--ro-bind", os.devnull, target)


def _links(links: Sequence[tuple[Path, str]]) -> Iterator[str]:
    for path, points_to in links:
        yield from ("--symlink", points_to, str(path))


def _with_filter(policy: Policy) -> tuple[str, ...]:
    """Return the words that open the filter's file as descriptor 6 for the rest of the command line."""
    if policy.seccomp_filter is None:
        return ()
    # bwrap reads a filter from a descriptor only. The path is an argument of the script, never a part of it.
    return ("/bin/sh", "-c", f'exec {_FILTER}<"$0" && exec "$@"', str(policy.seccomp_filter))


def _limited(processes: int | None) -> tuple[str, ...]:
    """Return the words that set the limit of processes inside; bwrap has no option for it."""
    if processes is None:
        return ()
    # Shells disagree about the letter.
    script = 'ulimit -u "$0" 2>/dev/null || ulimit -p "$0" 2>/dev/null; exec "$@"'
    return ("/bin/sh", "-c", script, str(processes))
