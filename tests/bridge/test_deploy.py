"""The units, the image and the compose file, held against the rules as text, and as far as tools here go.

There is no service manager and no container engine in a test run. What can be tried is the units' HOST_PREFIX,
with a stand-in for `systemd-run`, and `systemd-analyze verify` where it is installed.
"""

import os
import re
import shlex
import shutil
import subprocess
import uuid
from collections import defaultdict
from pathlib import Path

import pytest

from bridge.doctor import doctor
from bridge.settings_loading import settings_from
from tests.e2e.conftest import demo_url, house
from tests.e2e.house import REPOSITORY, House

__all__ = ["demo_url", "house"]

DEPLOY = REPOSITORY / "deploy"
USER, SYSTEM = "systemd/user/claude-bridge.service", "systemd/system/claude-bridge@.service"
UNITS = [USER, SYSTEM]
# Newer than some systemd that is still in use; ignored there.
NEW_KEYS = ("RestartSteps", "RestartMaxDelaySec")


def unit(name: str) -> dict[str, list[str]]:
    """The assignments of a unit file, as Section.Key."""
    found: dict[str, list[str]] = defaultdict(list)
    section = ""
    for line in (DEPLOY / name).read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found[f"{section}.{key}"].append(value)
    return found


def host_prefix(name: str) -> str:
    (line,) = unit(name)["Service.Environment"]
    (assignment,) = shlex.split(line)
    return assignment.removeprefix("HOST_PREFIX=")


@pytest.mark.parametrize("name", UNITS)
def test_nothing_in_a_unit_keeps_bubblewrap_from_making_a_proc(name: str) -> None:
    covering = {"ProtectKernelTunables", "ProtectKernelLogs", "ProtectProc", "ProcSubset", "RestrictNamespaces"}
    assert covering & {key.removeprefix("Service.") for key in unit(name)} == set()


@pytest.mark.parametrize("name", UNITS)
def test_the_bridge_tells_that_it_is_ready_and_alive_and_is_restarted_with_growing_pauses(name: str) -> None:
    service = unit(name)
    for key, value in {
        "Type": "notify",
        "NotifyAccess": "main",
        "Restart": "always",
        "RestartPreventExitStatus": "2",
        "KillMode": "mixed",
        "OOMPolicy": "continue",
        "UMask": "0077",
        "NoNewPrivileges": "yes",
    }.items():
        assert service[f"Service.{key}"] == [value], key
    assert int(service["Service.WatchdogSec"][0]) >= 30
    assert int(service["Service.RestartMaxDelaySec"][0]) > int(service["Service.RestartSec"][0])
    assert "Unit.StartLimitIntervalSec" in service
    assert "Service.StartLimitIntervalSec" not in service


@pytest.mark.parametrize("name", UNITS)
def test_nothing_in_a_unit_would_hide_from_claude_what_it_works_on(name: str) -> None:
    keys = {key.removeprefix("Service.") for key in unit(name)}
    bad = {"PrivateTmp", "ProtectHome", "ProtectSystem", "PrivateDevices", "PrivateUsers", "ProtectProc"}
    bad |= {"MemoryDenyWriteExecute", "ReadOnlyPaths", "InaccessiblePaths", "PrivateNetwork", "ProcSubset"}
    assert keys & bad == set()


@pytest.mark.parametrize("name", UNITS)
def test_sessions_get_a_scope_of_their_own_with_limits_outside_of_the_bridges_unit(name: str) -> None:
    words = list(settings_from({"host_prefix": host_prefix(name)}).host_prefix)
    assert {"systemd-run", "--user", "--scope", "--collect", "--slice=claude-sessions.slice"} <= set(words)
    limits = {word.removeprefix("--property=").partition("=")[0] for word in words if "--property=" in word}
    assert {"MemoryMax", "TasksMax"} <= limits
    assert words[-4:] == ["--", "/usr/bin/env", "-u", "XDG_RUNTIME_DIR"]
    assert "DISCORD" not in host_prefix(name)


def test_no_unit_holds_the_token_or_a_path_of_somebodys_machine() -> None:
    for name in UNITS:
        text = (DEPLOY / name).read_text()
        assert "TOKEN" not in text
        assert not re.search(r"/home/\w|/root|/Users", text)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("name", [*UNITS, "systemd/user/claude-sessions.slice"])
def test_systemd_reads_the_units_without_a_complaint(tmp_path: Path, name: str) -> None:
    program = shutil.which("true")
    text = re.sub(r"^ExecStart=.*", f"ExecStart={program}", (DEPLOY / name).read_text(), flags=re.MULTILINE)
    file = tmp_path / Path(name).name.replace("@.", "@1001.")
    file.write_text(text)
    scope = ["--user"] if "/user/" in name else []
    ran = subprocess.run(
        ["systemd-analyze", "verify", *scope, "--man=no", str(file)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    complaints = [
        line
        for line in ran.stderr.splitlines()
        if Path(name).name.partition("@")[0].partition(".")[0] in line
        and not any(f"Unknown key '{key}'" in line for key in NEW_KEYS)
    ]
    assert complaints == []


@pytest.mark.real_cli
@pytest.mark.timeout(180)
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks at processes through /proc")
@pytest.mark.parametrize("name", UNITS)
def test_a_session_starts_through_the_units_prefix_and_sees_nothing_of_it(house: House, name: str) -> None:
    programs, called = house.root / "bin", house.root / "called"
    programs.mkdir()
    stand_in = programs / "systemd-run"
    stand_in.write_text(
        f'#!/bin/sh\necho "$XDG_RUNTIME_DIR $*" >> {called}\n'
        'while [ "$1" != -- ]; do shift; done; shift\nexec "$@"\n'
    )
    stand_in.chmod(0o755)
    prefix = host_prefix(name).replace("%t", "/run/user/1001").replace("%i", "1001")
    path = f"{programs}{os.pathsep}{house.environment['PATH']}"
    gate = uuid.uuid4().hex
    turn = house.start("chat", "--once", f"demo:gate {gate} demo:text end", HOST_PREFIX=prefix, PATH=path)
    house.reached(gate)
    claude = [pid for pid, command in house.processes().items() if "--input-format" in command]
    variables = [Path(f"/proc/{pid}/environ").read_bytes() for pid in claude]
    house.release(gate)
    out, err = turn.communicate(timeout=100)
    assert (turn.returncode, out) == (0, "DEMO: end\n"), err
    assert called.read_text().startswith("/run/user/1001 --user --scope")
    assert variables
    assert [each for each in variables if b"XDG_RUNTIME_DIR" in each] == []


# --- the image --------------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^[ \t]*#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [(line.split()[0], line.partition(" ")[2]) for line in lines if line.strip()]


def test_the_image_has_what_sessions_need_and_runs_as_nobody_special() -> None:
    said = instructions()
    (apt,) = [rest for name, rest in said if name == "RUN" and "apt-get install" in rest]
    assert {"tmux", "git", "ca-certificates", "procps"} <= set(apt.split())
    users = [rest for name, rest in said if name == "USER"]
    assert users == ["bridge"]
    after_user = [name for name, _ in said[said.index(("USER", "bridge")) :]]
    assert "RUN" not in after_user
    assert "COPY" not in after_user
    assert ("ENTRYPOINT", '["claude-bridge"]') in said
    (volumes,) = [rest for name, rest in said if name == "VOLUME"]
    assert {"/data", "/workspaces", "/home/bridge"} == set(re.findall(r'"([^"]+)"', volumes))
    (health,) = [rest for name, rest in said if name == "HEALTHCHECK"]
    assert '["claude-bridge", "doctor", "--live"]' in health


def test_everything_that_the_image_installs_with_pip_is_checked_against_hashes() -> None:
    installs = [
        part.strip()
        for name, rest in instructions()
        if name == "RUN"
        for part in rest.split("&&")
        if part.strip().startswith("pip install")
    ]
    assert len(installs) == 3
    assert [each for each in installs if "--require-hashes" not in each and "--no-deps" not in each] == []
    assert installs[-1].endswith("--no-build-isolation .")


def test_the_cli_is_cut_out_of_the_lock_with_its_hashes_and_without_its_neighbours() -> None:
    (command,) = [re.search(r"sed -n '.*?' \S+", rest) for name, rest in instructions() if "sed -n" in rest]
    assert command is not None
    cut = subprocess.run(
        ["sh", "-c", command[0]], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    pins = re.findall(r"^([\w-]+)==", cut, re.MULTILINE)
    assert pins == ["claude-agent-sdk"]
    assert cut.count("--hash=sha256:") >= 1


def test_every_package_of_the_wheel_is_in_the_image_and_secrets_are_not() -> None:
    copied = {rest.split()[0] for name, rest in instructions() if name == "COPY"}
    text = (REPOSITORY / "pyproject.toml").read_text()
    packages = re.search(r"^packages = \[(.*)\]$", text, re.MULTILINE)
    assert packages is not None
    assert set(re.findall(r'"(\w+)"', packages[1])) <= copied
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    allowed = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert copied - {"pyproject.toml"} <= allowed | {"."}
    assert not allowed & {".env", "data", ".git", "tests"}
    assert "ENV DISCORD" not in (DEPLOY / "Dockerfile").read_text()


def test_the_compose_file_runs_it_with_an_init_volumes_limits_and_few_rights() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    assert "\t" not in text
    for line in (
        "init: true", "restart: unless-stopped", "- home:/home/bridge", "- data:/data",
        "- workspaces:/workspaces", "- ../.env", "- no-new-privileges:true", "- ALL",
        "dockerfile: deploy/Dockerfile",
    ):  # fmt: skip
        assert re.search(rf"^ +{re.escape(line)}$", text, re.MULTILINE), line
    assert re.search(r"^ +mem_limit: ", text, re.MULTILINE)
    assert re.search(r"^ +pids_limit: ", text, re.MULTILINE)
    for dangerous in ("privileged: true", "docker.sock", "network_mode: host", "ports:", "user: root"):
        assert dangerous not in text


def test_the_health_check_that_the_image_names_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert doctor(only_live=True, env_file=tmp_path / ".env") == 1
    assert "No bridge runs" in capsys.readouterr().out
