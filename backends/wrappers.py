"""Wrappers change the launch of a host but not its program; a sandbox is an example.

A wrapper is a function from one `LaunchSpec` to the next. It makes no file and starts no process. It may put
words before `argv` (they wrap the program only) or into `shell_prefix` (they wrap the whole host), and change
the environment. The old `argv` must be the end of the new one, so that a recovered host still shows its
conversation. A wrapper must not change the host's session, number or directory.
"""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from backends.base import LaunchFailed, LaunchSpec

LaunchWrapper = Callable[[LaunchSpec], LaunchSpec]
"""A wrapper may raise `LaunchRefused`: then nothing is started, and people read the reason."""


def wrapped(spec: LaunchSpec, wrappers: Sequence[LaunchWrapper]) -> LaunchSpec:
    """Return `spec` after every wrapper, in order. Raises `LaunchFailed` if one refuses or breaks a rule."""
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
