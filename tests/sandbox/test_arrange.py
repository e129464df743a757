"""Which sandbox a start gets, and what people are told: on machines that lack a mechanism for real.

Each machine is this one inside bubblewrap: with its `bwrap` covered, with a filter on system calls, or without
further namespaces.
"""

import errno
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from backends.sandbox.model import Mechanism, Policy
from backends.sandbox.probe import find_bwrap, probe_bwrap
from backends.sandbox.seccomp import filter_program
from bridge.findings import Level
from bridge.sandbox_words import sandbox_findings
from bridge.sandboxing import LandlockFound, Sandboxing, arrange
from bridge.settings_loading import settings_from

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")

LANDLOCK_CREATE_RULESET = 444
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
NO_LANDLOCK = b"".join(
    struct.pack("=HBBI", *each)
    for each in (
        (LOAD, 0, 0, 0),
        (JUMP_EQUAL, 0, 1, LANDLOCK_CREATE_RULESET),
        (RETURN, 0, 0, REFUSE | errno.ENOSYS),
        (RETURN, 0, 0, ALLOW),
    )
)
SCRIPT = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from bridge.sandbox_words import sandbox_findings, sentence_at_start
from bridge.sandboxing import arrange, hidden_places
from bridge.settings_loading import settings_from
place = Path(sys.argv[1])
settings = settings_from(json.loads(sys.argv[2]))
found = arrange(settings, hidden_places(settings), place)
(finding,) = sandbox_findings(found)
said = [sentence_at_start(found, place) for _ in range(2)]
why = ""
if found.refuses:
    from backends.base import LaunchRefused, LaunchSpec
    try:
        found.wrapper(LaunchSpec("s", 1, place, ("claude",), place, {}))
    except LaunchRefused as refused:
        why = refused.reason
print(json.dumps([found.policy.mechanism, finding.level, f"{finding.sentence} {finding.remedy}", said, why]))
"""

COVERED = ("--ro-bind", "/dev/null", "/usr/bin/bwrap")
ROWS = [
    # this machine, settings, mechanism, level, words of the finding
    ((), "auto", "bwrap", "ok", ("bubblewrap", "network open", "512 processes")),
    (("covered",), "auto", "landlock", "warning", ("Landlock (ABI", "not installed", "apt install bubblewrap")),
    (("filtered",), "auto", "landlock", "warning", ("User namespaces are forbidden", "security_opt", "docs/")),
    (("nested",), "auto", "landlock", "warning", ("in a sandbox, which allows none inside",)),
    (
        ("covered", "no landlock"),
        "auto",
        "none",
        "warning",
        ("without a sandbox", "not installed", "older than"),
    ),
    (("covered", "no landlock"), "required", "none", "failed", ("no Claude starts", "not installed")),
    (("covered",), "bwrap", "none", "failed", ("no Claude starts",)),
    (("no landlock",), "landlock", "none", "failed", ("no Claude starts", "older than 5.13")),
    ((), "off", "none", "skipped", ("SANDBOX is off",)),
]


def machine(kinds: Sequence[str], directory: Path) -> list[str]:
    """The words that run a program on such a machine."""
    words = ["bwrap", "--dev-bind", "/", "/"]
    filters = []
    for kind in kinds:
        match kind:
            case "covered":
                words += COVERED
            case "nested":
                words += ["--unshare-user", "--disable-userns"]
            case "filtered":
                filters.append(filter_program(os.uname().machine, shares_processes=False) or b"")
            case "no landlock":
                filters.append(NO_LANDLOCK)
    if not filters:
        return words
    path = directory / "filter.bpf"
    path.write_bytes(filters[0])
    return ["/bin/sh", "-c", 'exec 7<"$0" && exec "$@"', str(path), *words, "--seccomp", "7"]


@pytest.mark.parametrize(("kinds", "setting", "mechanism", "level", "words"), ROWS)
def test_the_best_mechanism_is_taken_and_what_is_missing_is_said(
    kinds: Sequence[str], setting: str, mechanism: str, level: str, words: Sequence[str], tmp_path: Path
) -> None:
    written = {"sandbox": setting, "data_dir": str(tmp_path / "data"), "workspace_root": str(tmp_path / "ws")}
    argv = [*machine(kinds, tmp_path), sys.executable, "-c", SCRIPT, str(tmp_path), json.dumps(written)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found, said_level, sentence, said, why = json.loads(done.stdout)
    assert (found, said_level) == (mechanism, level), sentence
    assert [each for each in words if each not in sentence] == []
    assert said[1] == "", "it is said once"
    assert bool(said[0]) is (setting == "auto")
    assert bool(why) is (level == "failed")
    assert f"SANDBOX={setting}" in why if why else True


def test_the_network_is_never_wider_than_the_settings_say(tmp_path: Path) -> None:
    written = {"data_dir": str(tmp_path / "data"), "workspace_root": str(tmp_path / "ws")}
    settings = settings_from({**written, "sandbox": "auto", "sandbox_network": "model"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bridge.sandboxing.find_bwrap", lambda: None)
        found = arrange(settings, (), tmp_path)
    assert found.refuses, "Landlock cannot limit the network"


def test_under_landlock_doctor_asks_for_a_login_that_claude_does_not_renew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path))
    found = Sandboxing(Policy(mechanism=Mechanism.LANDLOCK), landlock=LandlockFound(7))
    (before,) = sandbox_findings(found)
    (tmp_path / ".credentials.json").write_text("{}")
    (after,) = sandbox_findings(found)
    assert (before.level, after.level) == (Level.OK, Level.WARNING)
    assert "claude setup-token" in after.remedy
    monkeypatch.setenv("CLAUDE_CODE_OAUTH_TOKEN", "given")
    assert sandbox_findings(found) == [before]


def test_the_trial_leaves_no_process_and_names_the_version(tmp_path: Path) -> None:
    settings = settings_from({"data_dir": str(tmp_path / "data"), "workspace_root": str(tmp_path / "ws")})
    policy = arrange(settings, (), tmp_path).policy
    assert probe_bwrap(replace(policy, program=find_bwrap())).version.startswith("0.")
