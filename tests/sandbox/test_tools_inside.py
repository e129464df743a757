"""Real tools inside a sandbox, as Claude's Bash would run them. Missing ones are skipped by name."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from backends.commands.model import Exited
from sessions.session import Session
from sessions.shell_commands import ShellCommand, run_shell_command
from tests.sandbox.world import sandboxing_for
from tests.sessions.running_core import CoreParts, running_core

pytestmark = pytest.mark.timeout(120)
HOME = Path.home()


def needs(*tools: str) -> None:
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


def plain(*words: str, **environment: str) -> str:
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env={**os.environ, **environment}, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@asynccontextmanager
async def session_in(
    tmp_path: Path, mechanism: str = "bwrap", *, path: Sequence[Path] = (), agent: str = "", **written: str
) -> AsyncIterator[Session]:
    """A session whose sandbox has this user's home, so that tools find what they look for there."""
    if mechanism == "bwrap":
        needs("bwrap")
    search = os.pathsep.join([*map(str, path), os.environ["PATH"]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", search)
        arranged = sandboxing_for(tmp_path, sandbox=mechanism, sandbox_tools="auto", **written)
    parts = CoreParts(
        environment={"HOME": str(HOME), "PATH": search, **({"SSH_AUTH_SOCK": agent} if agent else {})},
        claude=tmp_path / "claude",
        wrappers=(arranged.wrapper,) if arranged.wrapper else (),
        sandbox=arranged.options,
    )
    async with running_core(tmp_path / "core", parts, workspace_root=tmp_path / "workspaces") as core:
        yield await core.session()


async def printed(session: Session, name: str, text: str) -> str:
    end = await run_shell_command(session, ShellCommand(name, text, timeout_s=60))
    said = end.output.path.read_text()
    assert isinstance(end, Exited), said
    assert end.code == 0, said
    return said


def work_of(session: Session) -> Path:
    return Path(session.snapshot.work_directory)


async def test_uv_installs_and_keeps_its_cache(tmp_path: Path) -> None:
    uv = Path(sys.prefix) / "bin/uv"
    if not uv.exists():
        pytest.skip("uv is not installed")
    read = f"{uv} {Path(sys.base_prefix)}"
    async with session_in(tmp_path, sandbox_read=read) as session:
        with zipfile.ZipFile(work_of(session) / "tiny-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("tiny.py", "WORD = 'from the wheel'\n")
            wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
            wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            wheel.writestr("tiny-1.0.dist-info/RECORD", "")
        install = (
            f"{uv} venv -q --python {sys.base_prefix}/bin/python3 made && "
            f"{uv} pip install -q --offline --no-index --python made ./tiny-1.0-py3-none-any.whl && "
            "made/bin/python -c 'import tiny; print(tiny.WORD)'"
        )
        assert "from the wheel" in await printed(session, "first", install)
        # Another process in the sandbox, as after a park.
        assert "tiny" in await printed(
            session, "second", f"rm -r made; find ~/.cache/uv -name 'tiny*'; {install}"
        )


async def test_cargo_builds_and_runs(tmp_path: Path) -> None:
    needs("cargo", "cc")
    async with session_in(tmp_path) as session:
        said = await printed(
            session, "builds", "cargo new -q --vcs none made && cd made && cargo run -q --offline"
        )
        assert "Hello, world!" in said
        assert "made" in await printed(session, "again", "touch ~/.cargo/registered && ls && ls ~/.cargo")
        assert "registered" in await printed(session, "later", "ls ~/.cargo")
    assert not (HOME / ".cargo/registered").exists()


async def test_go_builds_and_runs(tmp_path: Path) -> None:
    needs("go")
    async with session_in(tmp_path) as session:
        work = work_of(session)
        (work / "go.mod").write_text("module made\n")
        (work / "main.go").write_text('package main\n\nfunc main() { println("from go") }\n')
        assert "from go" in await printed(session, "runs", "GOFLAGS=-mod=mod GOPROXY=off go run . 2>&1")
        assert "go-build" in await printed(session, "cache", "ls ~/.cache")


@contextmanager
def ssh_server(directory: Path) -> Iterator[int]:
    """An ssh server of this user on loopback that takes the key `directory/key`; yields its port."""
    for name in ("host", "key"):
        plain("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (directory / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {directory}/host\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {directory}/key.pub\nStrictModes no\nPermitRootLogin yes\n"
        "PasswordAuthentication no\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    log = (directory / "log").open("wb")
    program = shutil.which("sshd", path="/usr/sbin:/usr/bin") or "sshd"
    server = subprocess.Popen(
        [program, "-D", "-e", "-f", directory / "config"],
        stderr=log,
    )
    try:
        while not (directory / "log").read_bytes().count(b"listening"):
            assert server.poll() is None, (directory / "log").read_text()
        yield port
    finally:
        server.terminate()
        server.wait()
        log.close()


@contextmanager
def ssh_agent(directory: Path) -> Iterator[str]:
    """An agent that holds the key; yields the path of its socket."""
    path = directory / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        while not path.exists():
            assert agent.poll() is None
        plain("ssh-add", "-q", str(directory / "key"), SSH_AUTH_SOCK=str(path))
        yield str(path)
    finally:
        agent.terminate()
        agent.wait()


@pytest.mark.parametrize("has_agent", [True, False])
async def test_git_pushes_over_ssh_with_the_agent_alone(tmp_path: Path, *, has_agent: bool) -> None:
    needs("git", "ssh", "ssh-agent", "ssh-keygen")
    if shutil.which("sshd", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("sshd is not installed")
    place = tmp_path / "ssh"
    place.mkdir(mode=0o700)
    remote = tmp_path / "remote.git"
    plain("git", "init", "-q", "--bare", str(remote))
    with ssh_server(place) as port, ssh_agent(place) as agent:
        address = f"ssh://{os.environ.get('USER', 'root')}@127.0.0.1:{port}{remote}"
        command = (
            "export GIT_SSH_COMMAND='ssh -o StrictHostKeyChecking=accept-new -o BatchMode=yes'; "
            "git init -q . && "
            "git -c user.name=Ann -c user.email=a@example.org commit -q --allow-empty -m pushed && "
            f"git push -q {address} HEAD:refs/heads/main; ssh-add -L; cat {place}/key; echo done"
        )
        async with session_in(tmp_path, agent=agent, sandbox_ssh_agent=str(has_agent).lower()) as session:
            said = await printed(session, "pushes", command)
        log = plain("git", "-C", str(remote), "for-each-ref")
        assert ("refs/heads/main" in log) is has_agent, said
        assert ("ssh-ed25519" in said) is has_agent
        assert "PRIVATE KEY" not in said, "the key itself is not inside"


LIST = (
    "DBUS_SESSION_BUS_ADDRESS='{address}' dbus-send --session --print-reply"
    " --dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames 2>&1"
)


@pytest.mark.parametrize("mechanism", ["bwrap", "landlock"])
async def test_a_real_bus_of_the_user_is_not_reached(tmp_path: Path, mechanism: str) -> None:
    needs("dbus-daemon", "dbus-send")
    path = tmp_path / "bus"
    daemon = await asyncio.create_subprocess_exec(
        *(
            "dbus-daemon",
            "--session",
            "--nofork",
            "--nopidfile",
            f"--address=unix:path={path}",
            "--print-address",
        ),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert daemon.stdout is not None
        address = (await daemon.stdout.readline()).decode().strip()
        outside = await asyncio.to_thread(plain, "sh", "-c", LIST.format(address=address))
        assert "org.freedesktop.DBus" in outside
        async with session_in(tmp_path, mechanism) as session:
            inside = await printed(session, "lists", f"{LIST.format(address=address)}; echo done")
        assert "Failed to open connection" in inside
        assert "array" not in inside
    finally:
        daemon.terminate()
        await daemon.wait()


@pytest.mark.parametrize("mechanism", ["bwrap", "landlock"])
async def test_a_running_service_manager_takes_no_orders(tmp_path: Path, mechanism: str) -> None:
    needs("systemctl", "systemd-run")
    state = subprocess.run(["systemctl", "is-system-running"], capture_output=True, text=True, check=False)  # noqa: ASYNC221
    if state.stdout.strip() not in {"running", "degraded"}:
        pytest.skip(f"systemd does not run here: {state.stdout.strip()}")
    made = tmp_path / "made"
    orders = " ; ".join(f"systemd-run {each} --wait touch {made}" for each in ("--user", "--system"))
    async with session_in(tmp_path, mechanism) as session:
        await printed(session, "orders", f"{orders}; busctl list; echo done")
    assert not made.exists()
