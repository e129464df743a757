"""Hosts of package registries come from this machine's tools and this user's files, never from a project."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from backends.sandbox.model import Network
from backends.sandbox.proxy.hosts import Target
from backends.sandbox.proxy.state import ProxyPlaces, key_of, load_list
from bridge.package_hosts import LearnedHosts, learned_hosts
from bridge.sandbox_network import NetworkRules, SandboxNetwork
from bridge.schema import schema
from storage import Database
from tests.sandbox.world import end_proxy

CONFIGURED = {
    ".config/pip/pip.conf": (
        "[global]\nindex-url = https://somebody:PASSWORD@pip.example.org:8443/simple\nproxy = https://no.org\n",
        Target("pip.example.org", 8443),
    ),
    ".config/uv/uv.toml": ('[[index]]\nurl = "https://uv.example.org/simple"\n', Target("uv.example.org", 443)),
    ".npmrc": (
        "@ours:registry=https://npm.example.org/\n//token.example.org/:_authToken=PASSWORD\n",
        Target("npm.example.org", 443),
    ),
    ".cargo/config.toml": (
        '[registries.ours]\nindex = "sparse+https://cargo.example.org/index/"\n',
        Target("cargo.example.org", 443),
    ),
    ".config/go/env": ("GOPROXY=https://GO.example.org,direct\n", Target("go.example.org", 443)),
    ".m2/settings.xml": (
        "<mirror>\n<url>https://maven.example.org</url>\n",
        Target("maven.example.org", 443),
    ),
    ".bundle/config": ('BUNDLE_MIRROR__ALL: "https://gem.example.org"\n', Target("gem.example.org", 443)),
    ".config/gem/gemrc": (":sources:\n- https://rubies.example.org\n", Target("rubies.example.org", 443)),
    ".config/composer/config.json": (
        '{"repositories": [{"type": "composer", "url": "https:\\/\\/php.example.org\\/"}]}',
        Target("php.example.org", 443),
    ),
    ".config/pnpm/config.yaml": ("registry: https://pnpm.example.org\n", Target("pnpm.example.org", 443)),
    ".gemrc": ("---\n:sources:\n- http://plain.example.org\n- https://127.0.0.1/\n", None),
}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, a real tool may take longer to answer than a start of the bridge waits for it."""
    monkeypatch.setattr("bridge.package_hosts._ASK_S", 60.0)


def hosts(found: tuple[LearnedHosts, ...], *, is_built_in: bool) -> set[Target]:
    return {host for each in found if each.is_built_in is is_built_in for host in each.hosts}


def test_mirrors_of_the_users_files_and_variables_are_learned_without_their_passwords(tmp_path: Path) -> None:
    for name, (text, _) in CONFIGURED.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / ".yarnrc").mkdir()
    environment = {
        "PATH": "",
        "GOSUMDB": "sum.example.org+1234 https://other.example.org",
        "EDITOR": "https://x.org",
    }
    found = learned_hosts(tmp_path / "cache", environment, tmp_path)
    expected = {target for _, target in CONFIGURED.values() if target is not None}
    theirs = {each for each in hosts(found, is_built_in=False) if each.host.endswith("example.org")}
    assert theirs == expected | {Target("sum.example.org", 443), Target("other.example.org", 443)}
    assert hosts(found, is_built_in=True) == set()
    assert "PASSWORD" not in f"{found}"
    assert {f"~/{name}" for name in CONFIGURED if name != ".gemrc"} <= {each.source for each in found}


def test_npm_tells_what_it_has_built_in_and_a_project_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, home = tmp_path / "project", tmp_path / "home"
    for directory in (project, home):
        directory.mkdir()
    (project / ".npmrc").write_text("registry=https://evil.example.org/\n")
    (project / "pip.conf").write_text("[global]\nindex-url = https://evil.example.org/\n")
    monkeypatch.chdir(project)
    path = only("npm", "node", "pip", place=tmp_path)
    environment = {"PATH": path, "HOME": str(home)}
    cache = tmp_path / "cache"
    first = learned_hosts(cache, environment, home)
    if (tmp_path / "bin/npm").exists():
        words = ("npm", "config", "get", "registry", f"--userconfig={home}/no", f"--globalconfig={home}/none")
        told = subprocess.run(
            words, cwd="/", env=environment, capture_output=True, text=True, check=True
        ).stdout
        assert Target(urlsplit(told.strip()).hostname or "", 443) in hosts(first, is_built_in=True)
    if (tmp_path / "bin/pip").exists():
        (pip,) = [each for each in first if each.source == "pip"]
        assert len(pip.hosts) == 2, "the index, and the host of its files"
    assert not any("evil" in host.host for each in first for host in each.hosts)
    # Without the tools' answers: they are remembered.
    assert hosts(learned_hosts(cache, environment, home), is_built_in=True) == hosts(first, is_built_in=True)


def only(*tools: str, place: Path) -> str:
    """A PATH with these tools alone, where they are installed."""
    (place / "bin").mkdir()
    for tool in tools:
        for directory in os.environ["PATH"].split(os.pathsep):
            if (Path(directory) / tool).exists():
                (place / "bin" / tool).symlink_to(Path(directory) / tool)
                break
    return f"{place / 'bin'}:/usr/bin:/bin"


SCRIPT = '#!{python}\nimport os, sys\nopen({log!r}, "a").write("asked")\n{act}\n'


@pytest.mark.parametrize(
    ("tool", "act", "expected"),
    [
        (
            "go",
            "print('https://go.example.org,direct|off\\nsum.example.org')",
            {"go.example.org", "sum.example.org"},
        ),
        ("go", "print('off\\noff')", set()),
        (
            "uv",
            "print('see https://docs.example.org\\n (default: <https://i.example.org/s>)')",
            {"i.example.org"},
        ),
        ("yarn", "sys.exit(print('https://y.example.org') or 1)", {"y.example.org"}),
        ("npm", "print(b'\\xff\\0'.decode('latin-1'), os.environ.get('TOKEN'))", set()),
        (
            "pnpm",
            "print('https://' + os.environ['npm_config_userconfig'][1:4] + '.example.org')",
            {"dev.example.org"},
        ),
        (
            "gem",
            "print('*** CURRENT SOURCES ***\\n\\nhttps://gems.example.org/' if '--norc' in sys.argv else 1)",
            {"gems.example.org"},
        ),
        (
            "yarn",
            "print('https://corepack' + os.environ['COREPACK_ENABLE_NETWORK'] + '.org')",
            {"corepack0.org"},
        ),
        ("pip", "print('pip 1 from /nowhere/pip (python 3)')", set()),
    ],
)
def test_an_answer_is_remembered_until_the_tool_changes(
    tmp_path: Path, tool: str, act: str, expected: set[str]
) -> None:
    program, log = tmp_path / tool, tmp_path / "log"
    program.write_text(SCRIPT.format(python=sys.executable, log=str(log), act=act))
    program.chmod(0o755)
    environment: Mapping[str, str] = {"PATH": str(tmp_path), "TOKEN": "https://secret.example.org"}

    def asked() -> set[str]:
        return {each.host for each in hosts(learned_hosts(tmp_path / "cache", environment), is_built_in=True)}

    assert [asked(), asked()] == [expected] * 2
    assert log.read_text() == "asked"
    os.utime(program, (1, 1))
    assert asked() == expected
    assert log.read_text() == "askedasked"


def test_mirrors_of_files_that_variables_name_and_of_mavens_own_settings_are_learned(tmp_path: Path) -> None:
    maven = tmp_path / "maven"
    for directory in ("maven/bin", "maven/conf", "bin", "composer", "cargo", "home"):
        (tmp_path / directory).mkdir(parents=True)
    (maven / "bin/mvn").touch(mode=0o755)
    (tmp_path / "bin/mvn").symlink_to(maven / "bin/mvn")
    written = {
        "maven/conf/settings.xml": "<url>https://central.example.org/maven2</url>",
        "pip.conf": "[global]\nindex-url = https://pip.example.org/simple\n",
        "npmrc": "registry=https://npm.example.org\n",
        "gemrc": ":sources:\n- https://gems.example.org\n",
        "composer/config.json": '{"repositories": [{"type": "composer", "url": "https://php.example.org"}]}',
        "cargo/config.toml": '[registries.ours]\nindex = "sparse+https://cargo.example.org/"\n',
    }
    for name, text in written.items():
        (tmp_path / name).write_text(text)
    environment = {
        "PATH": str(tmp_path / "bin"),
        "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
        "NPM_CONFIG_USERCONFIG": str(tmp_path / "npmrc"),
        "GEMRC": f"{tmp_path}/none:{tmp_path}/gemrc",
        "COMPOSER_HOME": str(tmp_path / "composer"),
        "CARGO_HOME": str(tmp_path / "cargo"),
        "UV_CONFIG_FILE": "relative.toml",
        "BUNDLE_MIRROR__ALL": "https://bundle.example.org",
        "YARN_NPM_REGISTRY_SERVER": "https://yarn.example.org",
    }
    found = hosts(learned_hosts(tmp_path / "cache", environment, tmp_path / "home"), is_built_in=False)
    names = {each.host.removesuffix(".example.org") for each in found if each.host.endswith("example.org")}
    assert names == {"central", "pip", "npm", "gems", "php", "cargo", "bundle", "yarn"}


def test_a_tool_that_hangs_costs_its_time_once_in_all_and_others_are_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.package_hosts._ASK_S", 3.0)
    for tool, act in (("npm", "import time; time.sleep(60)"), ("go", "print('https://go.example.org')")):
        (tmp_path / tool).write_text(SCRIPT.format(python=sys.executable, log=str(tmp_path / "log"), act=act))
        (tmp_path / tool).chmod(0o755)
    found = learned_hosts(tmp_path / "cache", {"PATH": str(tmp_path)}, tmp_path)
    assert [each.source for each in found if each.is_built_in] == ["go"]


@pytest.mark.parametrize("network", [Network.LISTED, Network.MODEL])
async def test_a_listed_network_has_them_and_asks_for_them_only_then(tmp_path: Path, network: Network) -> None:
    built_in, mirror = Target("index.example.org", 443), Target("mirror.internal", 8443)
    asked: list[str] = []

    def learn() -> tuple[LearnedHosts, ...]:
        asked.append("asked")
        return (
            LearnedHosts("pip", (built_in,), is_built_in=True),
            LearnedHosts("~/.npmrc", (mirror,), is_built_in=False),
        )

    places, work = ProxyPlaces(tmp_path / "proxy"), tmp_path / "work"
    async with Database.open(tmp_path / "sessions.db", schema()) as database:
        rules = NetworkRules(network, (), Target("model.example.org", 443), learn)
        try:
            await SandboxNetwork(database, places, rules).open(work)
            listed = load_list(places, key_of(work))
        finally:
            end_proxy(places)
    is_listed = network is Network.LISTED
    assert listed.has("index.example.org") is is_listed
    assert listed.mirrors == ((mirror,) if is_listed else ())
    assert len(asked) == is_listed
