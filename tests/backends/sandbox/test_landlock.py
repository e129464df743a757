"""Landlock: granted paths are reached and no others, in each version of it; the real CLI works in it."""

import asyncio
import ctypes
import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from backends.base import LaunchRefused, LaunchSpec
from backends.sandbox.landlock import VARIABLE, Unavailable, in_landlock, landlock_abi
from backends.sandbox.model import Access, Mechanism, Network, Own, Policy, System
from backends.sandbox.seccomp import ARCHITECTURES, Refused, assemble
from bridge.demo.model import DemoModel
from tests.backends.sandbox.filter_machine import LOADER
from tests.fakes.cli_home import make_cli_home

PROJECT = Path(__file__).parents[3]
TRIES = Path(__file__).with_name("landlock_tries.py")
PYTHON = Path(sys.executable)
INTERPRETER = (PYTHON.parents[1], Path(sys.base_prefix), TRIES)


def newest() -> int:
    try:
        return landlock_abi()
    except Unavailable:
        return 0


NEWEST = newest()
pytestmark = pytest.mark.skipif(NEWEST == 0, reason="this kernel has no Landlock")


def policy(tmp_path: Path, **changes: object) -> Policy:
    system = System(tuple(map(Path, ("/usr", "/bin", "/lib", "/lib64", "/etc"))))
    plain = Policy(mechanism=Mechanism.LANDLOCK, system=system)
    return replace(plain, **changes)


def spec(tmp_path: Path, *argv: str, access: Access, **environment: str) -> LaunchSpec:
    directory = tmp_path / "run" / "s" / "1"
    directory.mkdir(parents=True, exist_ok=True)
    (tmp_path / "work").mkdir(exist_ok=True)
    complete = {"PATH": os.environ["PATH"], **environment}
    return LaunchSpec("s", 1, directory, argv, tmp_path / "work", complete, access=access)


def run(wrapped: LaunchSpec) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        wrapped.argv,
        cwd=wrapped.cwd,
        env=dict(wrapped.environment),
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def tries(tmp_path: Path) -> Iterator[LaunchSpec]:
    """A launch of the tries, with everything there that they look for."""
    work, forbidden = tmp_path / "work", tmp_path / "forbidden"
    work.mkdir()
    forbidden.mkdir()
    (work / "given").write_text("x")
    (forbidden / "secret").write_text("secret")
    (forbidden / "tool").write_text("#!/bin/sh\n")
    (forbidden / "tool").chmod(0o755)
    name = f"guard-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as path, socket.socket(socket.AF_UNIX) as abstract:
        path.bind(str(forbidden / "socket"))
        path.listen()
        abstract.bind("\0" + name)
        abstract.listen()
        access = Access(read=INTERPRETER, write=(work,))
        with shared_memory() as number:
            words = (str(PYTHON), str(TRIES), str(work), str(forbidden), str(os.getpid()), name, str(number))
            yield spec(tmp_path, *words, access=access, TMPDIR=str(tmp_path))


@contextmanager
def shared_memory() -> Iterator[int]:
    """The number of a piece of shared memory of System V."""
    libc = ctypes.CDLL(None)
    number = libc.shmget(0, 4096, 0o1600)
    try:
        yield number
    finally:
        libc.shmctl(number, 0, None)


REFUSED = {
    *("device inside", "read outside", "list outside", "write outside", "append outside", "delete outside"),
    *("truncate outside", "link from outside", "rename from outside", "rename to outside", "run outside"),
    *("read through a link", "home", "temporary files of others", "write system", "disk"),
    *("socket of a path", "abstract socket", "signal outside", "terminals of others"),
    *("limits outside", "speed outside"),
    *("environment of others", "memory of others", "shared memory of others", "directory of others"),
    *("restrictions in the environment", "capabilities"),
}
ALLOWED_BEFORE = {"rename across inside": 2, "truncate outside": 3, "signal outside": 6}
"""From this version on it is as above; before, the other way round."""


@pytest.mark.parametrize("abi", sorted({1, 2, 3, 6, NEWEST}))
def test_what_is_granted_is_reached_and_nothing_else(tmp_path: Path, abi: int) -> None:
    if abi > NEWEST:
        pytest.skip("this kernel is older")
    with tries(tmp_path) as given:
        done = run(in_landlock(policy(tmp_path), abi)(given))
    assert done.stdout, done.stderr
    result = json.loads(done.stdout)
    refused = {each for each, said in result.items() if said != "done"}
    exceptions = {each for each, since in ALLOWED_BEFORE.items() if abi < since}
    assert refused == REFUSED ^ exceptions, result
    assert (tmp_path / "forbidden" / "secret").exists()


def test_the_tries_succeed_without_a_sandbox(tmp_path: Path) -> None:
    """Or their refusal would say nothing. Tries that undo each other, or that take root, are left out."""
    with tries(tmp_path) as given:
        result = json.loads(run(given).stdout)
    expected = {
        *(
            "read outside",
            "list outside",
            "write outside",
            "append outside",
            "truncate outside",
            "delete outside",
        ),
        *("run outside", "socket of a path", "abstract socket", "signal outside", "temporary files of others"),
        *("limits outside", "speed outside", "shared memory of others"),
        *("environment of others", "directory of others", "rename to outside", "own temporary files"),
    }
    assert {each for each in expected if result[each] != "done"} == set()


def test_a_hidden_path_is_not_granted_with_what_holds_it(tmp_path: Path) -> None:
    shown, hidden = tmp_path / "etc", tmp_path / "etc" / "inner" / "shadow"
    hidden.parent.mkdir(parents=True)
    (shown / "passwd").write_text("passwd")
    hidden.write_text("shadow")
    (hidden.parent / "beside").write_text("beside")
    access = Access(read=(shown,))
    script = f"cat {shown}/passwd {hidden.parent}/beside {hidden}"
    wrap = in_landlock(policy(tmp_path, hidden=(hidden,)), NEWEST)
    done = run(wrap(spec(tmp_path, "/bin/sh", "-c", script, access=access)))
    assert done.stdout == "passwdbeside"
    with pytest.raises(LaunchRefused, match="cannot hide shadow"):
        wrap(spec(tmp_path, "/bin/true", access=Access(write=(shown,))))


def test_own_directories_stand_in_their_place_with_links_to_what_lies_inside(tmp_path: Path) -> None:
    home, own, config, own_config = (tmp_path / each for each in ("home", "own", "home/.claude", "own-config"))
    for each in (home, own, config, own_config, config / "projects" / "p", home / "bin"):
        each.mkdir(exist_ok=True, parents=True)
    (home / ".gitconfig").write_text("git")
    (home / ".ssh").mkdir()
    (home / ".ssh" / "id").write_text("key")
    (own / "planted").symlink_to(home / ".ssh")
    access = Access(
        read=(home / ".gitconfig", home / "bin", home / "missing"),
        write=(config / "projects" / "p",),
        own=(Own(home, own), Own(config, own_config)),
    )
    script = (
        'echo "$HOME $CLAUDE_CONFIG_DIR $PATH $OTHER"; cat ~/.gitconfig; echo; echo cached >~/cache;'
        'echo said >"$CLAUDE_CONFIG_DIR/projects/p/log"; echo more >>~/.claude/projects/p/log;'
        "cat ~/planted/id ~/.ssh/id"
    )
    environment = {
        "HOME": str(home),
        "CLAUDE_CONFIG_DIR": str(config),
        "PATH": f"{home}/bin:/usr/bin:/bin:{home}/other",
        "OTHER": "text",
    }
    wrapped = in_landlock(policy(tmp_path), NEWEST)(
        spec(tmp_path, "/bin/sh", "-c", script, access=access, **environment)
    )
    for _ in range(2):  # the second time the links are there
        done = run(wrapped)
        said = done.stdout.splitlines()
        assert said == [f"{own} {own_config} {home}/bin:/usr/bin:/bin:{own}/other text", "git"], done.stderr
        assert (config / "projects" / "p" / "log").read_text() == "said\nmore\n"
        assert (own / "cache").read_text() == "cached\n"
        assert "ermission denied" in done.stderr
    assert not (home / "cache").exists()


def test_a_link_planted_in_an_own_directory_leads_the_launcher_nowhere(tmp_path: Path) -> None:
    """The launcher makes links only after it is restricted itself."""
    home, own, victim = tmp_path / "home", tmp_path / "own", tmp_path / "victim"
    for each in (home / "a" / "b", own, victim):
        each.mkdir(parents=True)
    (own / "a").symlink_to(victim)
    (victim / "b").write_text("")
    access = Access(read=(home / "a" / "b",), own=(Own(home, own),))
    done = run(in_landlock(policy(tmp_path), NEWEST)(spec(tmp_path, "/bin/true", access=access)))
    assert done.returncode == 0
    assert "not linked" in done.stderr
    assert [(each.name, each.is_symlink()) for each in victim.iterdir()] == [("b", False)]


def test_a_network_that_is_not_open_is_refused_in_words(tmp_path: Path) -> None:
    wrap = in_landlock(policy(tmp_path, network=Network.LISTED), NEWEST)
    with pytest.raises(LaunchRefused, match="Landlock cannot limit the network"):
        wrap(spec(tmp_path, "/bin/true", access=Access()))


def test_the_wrapper_says_what_it_is_and_names_no_path_in_argv(tmp_path: Path) -> None:
    given = spec(tmp_path, "/bin/true", access=Access(write=(tmp_path / "secret-project",)))
    wrapped = in_landlock(policy(tmp_path), NEWEST)(given)
    assert wrapped.argv[-1:] == given.argv
    assert wrapped.enclosure.mechanism is Mechanism.LANDLOCK
    assert "secret-project" not in " ".join(wrapped.argv)


@pytest.mark.parametrize(
    ("name", "path", "printed"),
    [
        ("echo", "/nowhere:/etc/passwd:/usr/bin:/bin", "ran"),
        ("/bin/echo", "", "ran"),
        ("missing", "/usr/bin", ""),
        ("missing/echo", "/usr/bin", ""),
    ],
)
def test_a_program_is_looked_for_in_its_own_path(tmp_path: Path, name: str, path: str, printed: str) -> None:
    """Python's own search imports modules, which may lie where nothing is granted."""
    given = spec(tmp_path, name, "ran", access=Access(), PATH=path)
    done = run(in_landlock(policy(tmp_path), NEWEST)(given))
    assert (done.stdout.strip(), done.returncode) == (printed, 0 if printed else 125)
    assert bool(done.stderr.startswith("landlock: ")) is not bool(printed)


@pytest.mark.parametrize("value", [None, "", "zz", "00", "f3"])
def test_nothing_runs_if_the_restrictions_cannot_be_read(tmp_path: Path, value: str | None) -> None:
    wrapped = in_landlock(policy(tmp_path), NEWEST)(spec(tmp_path, "/bin/echo", "ran", access=Access()))
    environment = {name: each for name, each in wrapped.environment.items() if name != VARIABLE}
    done = run(replace(wrapped, environment=environment | ({} if value is None else {VARIABLE: value})))
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith("landlock: ")


# --- a kernel without it --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSYS, "older than 5.13"), (errno.EOPNOTSUPP, "switched off"), (errno.EPERM, "refuses Landlock")],
)
@pytest.mark.skipif(os.uname().machine not in ARCHITECTURES, reason="no filter for this machine")
def test_a_kernel_without_landlock_is_told_and_starts_nothing(tmp_path: Path, code: int, words: str) -> None:
    """Simulated by a filter, as of a container or an old kernel."""
    program = assemble(ARCHITECTURES[os.uname().machine], [Refused(number, code) for number in (444, 445, 446)])
    wrapped = in_landlock(policy(tmp_path), NEWEST)(spec(tmp_path, "/bin/echo", "ran", access=Access()))
    script = f"""{LOADER}
import os, subprocess
load(bytes.fromhex({program.hex()!r}))
sys.path.insert(0, {str(PROJECT)!r})
from backends.sandbox.landlock import Unavailable, landlock_abi
try:
    print(landlock_abi())
except Unavailable as reason:
    print(reason)
print(subprocess.run({wrapped.argv!r}, env={dict(wrapped.environment)!r}, stderr=subprocess.DEVNULL).returncode)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    why, returned = done.stdout.splitlines()
    assert words in why
    assert returned == "125"


# --- the real CLI ---------------------------------------------------------------------------------------


@pytest.mark.real_cli
async def test_claude_works_in_it_and_its_bash_reaches_nothing_else(tmp_path: Path) -> None:
    async with DemoModel() as demo:
        home = make_cli_home(tmp_path / "place", demo.base_url)
        secret = tmp_path / "secret"
        secret.write_text("never to be read")
        own_home, own_config = tmp_path / "own-home", tmp_path / "own-config"
        for each in (own_home, own_config):
            each.mkdir()
        (own_config / ".claude.json").write_bytes((home.config / ".claude.json").read_bytes())
        transcripts = home.config / "projects"
        transcripts.mkdir(exist_ok=True)
        access = Access(
            read=(home.binary,),
            write=(home.work, transcripts),
            own=(Own(home.home, own_home), Own(home.config, own_config)),
        )
        prompt = f"demo:bash cat {secret}; echo made >made; cat made"
        given = LaunchSpec(
            *("s", 1, tmp_path / "host"),
            (str(home.binary), "-p", prompt, "--permission-mode", "bypassPermissions"),
            home.work,
            {**home.environment, "IS_SANDBOX": "1"},
            access=access,
        )
        given.directory.mkdir()
        done = await asyncio.to_thread(run, in_landlock(policy(tmp_path), NEWEST)(given))
    assert done.returncode == 0, done.stderr + done.stdout
    (transcript,) = transcripts.rglob("*.jsonl")
    said = transcript.read_text()
    assert "Permission denied" in said
    assert "never to be read" not in said
    assert (home.work / "made").read_text() == "made\n"
