"""Wrappers: what changes how a host is started without changing what it runs; a sandbox is one.

A wrapper is a function from one `LaunchSpec` to the next, and does nothing else: it makes no file and starts
nothing. It may put words before `argv` (they end up around the program only) or into `shell_prefix` (around the
whole host), and change the environment. It keeps `argv` as the end of its own, so that a host that is found
again still tells which conversation it runs; who the host is, and where it lives, is not its to change.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from backends.base import LaunchFailed, LaunchSpec

LaunchWrapper = Callable[[LaunchSpec], LaunchSpec]
"""May raise `LaunchRefused`: then nothing is started, and people read its reason."""


def wrapped(spec: LaunchSpec, wrappers: Sequence[LaunchWrapper]) -> LaunchSpec:
    """`spec` after every wrapper, in order. Raises `LaunchFailed` if one refuses or breaks the contract."""
    given = spec
    for wrap in wrappers:
        spec = wrap(spec)
    identity = (spec.session_id, spec.number, spec.directory, spec.cwd)
    if identity != (given.session_id, given.number, given.directory, given.cwd):
        raise LaunchFailed(given.argv[0], reason="a launch wrapper changed which host it is")
    if spec.argv[len(spec.argv) - len(given.argv) :] != given.argv:
        raise LaunchFailed(given.argv[0], reason="a launch wrapper changed the program")
    return spec


def in_shell_prefix(words: Sequence[str]) -> LaunchWrapper:
    """Start the whole host through `words`: a service manager's scope (`systemd-run --user --scope …`)."""

    def wrap(spec: LaunchSpec) -> LaunchSpec:
        return replace(spec, shell_prefix=(*words, *spec.shell_prefix))

    return wrap
