"""The contract of launch wrappers (`backends/wrappers.py`), on real hosts: a sandbox is to be one of them."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from backends.auto import BackendOptions, Backends, choose_backend
from backends.base import LaunchFailed, LaunchRefused, LaunchSpec
from backends.sandbox.bwrap import in_bwrap
from backends.sandbox.model import Mechanism
from backends.wrappers import LaunchWrapper, in_shell_prefix
from sessions.claude.launch import conversation_of
from tests.backends.kit import Kit, read_lines
from tests.contracts.conftest import policy_of


def saying(word: str) -> LaunchWrapper:
    """Adds `word` to a variable, and `env WORD=yes` around the program."""

    def wrap(spec: LaunchSpec) -> LaunchSpec:
        order = f"{spec.environment.get('ORDER', '')}{word}"
        around = ("/usr/bin/env", f"{word}=yes")
        return replace(spec, argv=(*around, *spec.argv), environment={**spec.environment, "ORDER": order})

    return wrap


def refusing(spec: LaunchSpec) -> LaunchSpec:
    raise LaunchRefused(spec.argv[0], reason="the sandbox cannot be made here")


def backends(kit: Kit, name: str, wrappers: Sequence[LaunchWrapper]) -> Backends:
    options = BackendOptions(run=kit.run, socket_name=kit.socket_name, wrappers=wrappers)
    return choose_backend("tmux" if name == "tmux" else "pty", options, on_fallback=print)


@pytest.mark.parametrize("name", ["tmux", "pty"])
async def test_wrappers_run_in_order_around_the_program_and_the_host(kit: Kit, name: str) -> None:
    scope = in_shell_prefix(("/usr/bin/env", "SCOPE=yes"))
    wrapping = backends(kit, name, (scope, saying("A"), saying("B")))
    script = 'echo "$ORDER $A $B $SCOPE"; cat'
    host = await wrapping.launch(kit.spec("/bin/sh", "-c", script, "claude", "--resume", "a-conversation"))
    assert [line.data for line in await read_lines(host, 1)] == [b"AB yes yes yes"]
    assert host.launched().argv[:2] == ("/usr/bin/env", "B=yes"), "the last one is outermost"
    # A host that is found again without a row is adopted by what its argv tells.
    found = await wrapping.attach(host.ref)
    assert conversation_of(found.launched().argv) == "a-conversation"
    await wrapping.close()


async def test_bubblewrap_and_a_scope_around_the_host_combine(kit: Kit) -> None:
    sandbox, scope = in_bwrap(policy_of(kit)), in_shell_prefix(("/usr/bin/env", "SCOPE=yes"))
    wrapping = backends(kit, "pty", (sandbox, scope))
    script = 'echo "$SCOPE $$"; cat'
    host = await wrapping.launch(kit.spec("/bin/sh", "-c", script, "claude", "--resume", "a-conversation"))
    assert [line.data for line in await read_lines(host, 1)] == [b"yes 2"], "the second process of its sandbox"
    found = await wrapping.attach(host.ref)
    assert conversation_of(found.launched().argv) == "a-conversation"
    assert found.launched().enclosure.mechanism is Mechanism.BWRAP
    await wrapping.close()


@pytest.mark.parametrize(
    ("wrapper", "why"),
    [
        (refusing, "the sandbox cannot be made here"),
        (lambda spec: replace(spec, number=spec.number + 1), "which host"),
        (lambda spec: replace(spec, cwd=Path("/")), "which host"),
        (lambda spec: replace(spec, argv=("/bin/true",)), "the program"),
    ],
)
async def test_a_wrapper_that_refuses_or_breaks_the_contract_starts_nothing(
    kit: Kit, wrapper: LaunchWrapper, why: str
) -> None:
    wrapping = backends(kit, "pty", (wrapper,))
    with pytest.raises(LaunchFailed, match=why):
        await wrapping.launch(kit.spec("/bin/cat"))
    assert list(kit.run.glob("*/*")) == []
    await wrapping.close()
