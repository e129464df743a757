"""Choose a backend, and use the hosts of both: each reference is attached by the backend that made it."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, assert_never

from backends.base import Host, HostGone, HostRef, LaunchSpec, TerminalUnavailable
from backends.host import Watches
from backends.local import LocalBackend
from backends.pty import PtyBackend
from backends.tmux import TmuxBackend
from backends.wrappers import LaunchWrapper, wrapped

Setting = Literal["auto", "tmux", "pty"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendOptions:
    """The hosts' place on the disk, and the way to show them to people.

    `run` holds the hosts' directories. `watch` is the command that shows a host; the host's directory is
    appended. `environment` is ours; terminals get a few harmless variables of it. `wrappers` change each
    launch, in order (`wrappers.py`).
    """

    run: Path
    socket_name: str
    watch: Sequence[str] = ()
    environment: Mapping[str, str] | None = None
    wrappers: Sequence[LaunchWrapper] = ()


class Backends:
    """The port's `Backend` over both: the first of `order` that can launches, the maker of a host attaches."""

    def __init__(
        self,
        tmux: TmuxBackend,
        pty: PtyBackend,
        *,
        order: Sequence[Literal["tmux", "pty"]],
        on_fallback: Callable[[str], None],
        wrappers: Sequence[LaunchWrapper] = (),
    ) -> None:
        self._wrappers = tuple(wrappers)
        self._tmux = tmux
        self._pty = pty
        self._by_name = {tmux.name: tmux, pty.name: pty}
        self._order = [self._by_name[name] for name in order]
        self._on_fallback = on_fallback
        self._said = False

    @property
    def name(self) -> str:
        """The name of the backend that is tried first."""
        return self._order[0].name

    async def launch(self, spec: LaunchSpec) -> Host:
        # Before any backend: a fallback must not wrap the program in a second sandbox.
        spec = wrapped(spec, self._wrappers)
        *preferred, last = self._order
        for backend in preferred:
            try:
                return await backend.launch(spec)
            # Only a missing terminal leads on. Any other failure (no such program, no directory) would be the
            # same there.
            except TerminalUnavailable as error:
                self._say_once(
                    f"The {backend.name} backend cannot be used ({error.reason}); using {last.name}."
                )
        return await last.launch(spec)

    async def attach(self, ref: HostRef) -> Host:
        return await self._maker_of(ref).attach(ref)

    async def remove(self, ref: HostRef) -> bool:
        return await self._maker_of(ref).remove(ref)

    async def survivors(self, besides: Container[HostRef] = ()) -> Sequence[HostRef]:
        # Both, whatever the setting is: hosts of the other backend may live on from before it was changed.
        return [ref for backend in self._by_name.values() for ref in await backend.survivors(besides)]

    async def find(self, session_id: str, number: int) -> HostRef | None:
        for backend in self._by_name.values():
            if (ref := await backend.find(session_id, number)) is not None:
                return ref
        return None

    async def keep_terminals(self) -> None:
        """Make tmux windows again whenever the tmux server dies; never returns. The caller owns the task."""
        await self._tmux.keep_terminals()

    async def close(self) -> None:
        await self._tmux.close()
        await self._pty.close()

    def _maker_of(self, ref: HostRef) -> LocalBackend:
        backend = self._by_name.get(ref.backend)
        if backend is None:
            raise HostGone(f"no backend is named {ref.backend!r}")
        return backend

    def _say_once(self, reason: str) -> None:
        if not self._said:
            self._said = True
            self._on_fallback(reason)


def choose_backend(
    setting: Setting, options: BackendOptions, *, on_fallback: Callable[[str], None]
) -> Backends:
    """Return the backend for the setting BACKEND. `auto` is tmux, with PTY for hosts that tmux cannot launch.

    `on_fallback` gets one sentence at the first fallback.
    """
    order: Sequence[Literal["tmux", "pty"]]
    match setting:
        case "auto":
            order = ("tmux", "pty")
        case "tmux":
            order = ("tmux",)
        case "pty":
            order = ("pty",)
        case _:
            assert_never(setting)
    # One for both backends: a user has only 128 inotify instances.
    watches = Watches()
    tmux = TmuxBackend(
        options.run,
        socket_name=options.socket_name,
        watch=options.watch,
        environment=options.environment,
        watches=watches,
    )
    pty = PtyBackend(
        options.run,
        watch=options.watch,
        environment=options.environment,
        watches=watches,
    )
    return Backends(tmux, pty, order=order, on_fallback=on_fallback, wrappers=options.wrappers)
