"""Learn the hosts of package registries from the machine's own package tools (SANDBOX_NETWORK=listed).

Two sources: a tool tells the registry that it has built in, and this user's configuration names mirrors.
Nothing of a project is read, and tools start in `/`: a project cannot widen its own network. Only the names of
hosts are kept, never the rest of an address: it may hold a password.
"""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from shutil import which
from typing import IO, NamedTuple
from urllib.parse import urlsplit

import msgspec

from backends.sandbox.proxy.hosts import Target, host_name

CACHE = "package-hosts.json"
_ASK_S = 5.0
"""All tools are asked at once, and get so much time together."""
_MOST_BYTES = 1024 * 1024
_ADDRESS = re.compile(r"https://[^\s\"'<>|,;)\]]+")
_BARE_NAME = re.compile(r"(?m)^(?!https?:)([a-z0-9-]+(?:\.[a-z0-9-]+)+)(?:[+\s]|$)")
_HTTPS = 443


class LearnedHosts(msgspec.Struct, frozen=True):
    """Hosts with their source: a tool that has them built in, or a file or variable that names mirrors."""

    source: str
    hosts: tuple[Target, ...]
    is_built_in: bool


class _Question(msgspec.Struct, frozen=True):
    """Words that have a tool tell its registry. `lines` chooses lines of the answer."""

    tool: str
    words: tuple[str, ...]
    lines: str = ""
    variables: Mapping[str, str] = {}


_Answer = list[list[str | int]]


class _Asked(NamedTuple):
    """A tool that was asked and writes its answer to the file `said`."""

    question: _Question
    key: str
    process: "subprocess.Popen[bytes]"
    said: IO[bytes]


_QUESTIONS = (
    # It names the directory of its code. There a file has the index, and the host of the index's files.
    _Question("pip", ("--version",)),
    _Question("uv", ("pip", "install", "--help"), lines="default"),
    _Question(
        "npm", ("config", "get", "registry", "--userconfig=/dev/null/none", "--globalconfig=/dev/null/no")
    ),
    _Question(
        "pnpm",
        ("config", "get", "registry"),
        variables={
            "npm_config_userconfig": "/dev/null/none",
            "npm_config_globalconfig": "/dev/null/no",
            "XDG_CONFIG_HOME": "/dev/null",
        },
    ),
    _Question("yarn", ("--no-default-rc", "config", "get", "registry")),
    _Question("gem", ("--norc", "sources", "--list")),
    _Question("go", ("env", "GOPROXY", "GOSUMDB"), variables={"GOENV": "off"}),
)
# Corepack's stand-ins for pnpm and yarn would download the program first.
_NO_DOWNLOAD = {"COREPACK_ENABLE_NETWORK": "0"}
_PIP_PLACE = re.compile(r"pip [^ ]+ from (/.+/pip) \(python")
_PIP_INDEX = "_internal/models/index.py"
_PIP_HOSTS = re.compile(r"PyPI = PackageIndex\(\s*\"(https://[^\"]+)\", file_storage_domain=\"([^\"]+)\"")

# The lines that name a registry, in the files of each tool.
_PIP = r"(?i)index-url|find-links"
_UV = r"url"
_NPM = r"registry\s*="
_CARGO = r"^\s*(index|registry)\s*="
_GO = r"^(GOPROXY|GOSUMDB)="
_GEM = r"^\s*-"
_BUNDLE = r"MIRROR"
_MAVEN = r"<url>"
_COMPOSER = r"\"url\""
# Files of this user or machine.
_FILES: tuple[tuple[str, str], ...] = (
    *((name, _PIP) for name in ("/etc/pip.conf", "/etc/xdg/pip/pip.conf")),
    *((name, _PIP) for name in ("~/.config/pip/pip.conf", "~/.pip/pip.conf")),
    *((name, _UV) for name in ("/etc/uv/uv.toml", "~/.config/uv/uv.toml")),
    *((name, _NPM) for name in ("/etc/npmrc", "~/.npmrc", "~/.config/pnpm/rc")),
    ("~/.config/pnpm/config.yaml", r"(?i)registr|https://"),
    *((name, r"(?i)registry|npmRegistryServer") for name in ("~/.yarnrc", "~/.yarnrc.yml")),
    *((name, _CARGO) for name in ("~/.cargo/config.toml", "~/.cargo/config")),
    ("~/.config/go/env", _GO),
    *((name, _GEM) for name in ("/etc/gemrc", "~/.gemrc", "~/.config/gem/gemrc")),
    ("~/.bundle/config", _BUNDLE),
    *((name, _MAVEN) for name in ("/etc/maven/settings.xml", "~/.m2/settings.xml")),
    *((name, _COMPOSER) for name in ("~/.composer/config.json", "~/.config/composer/config.json")),
    ("~/.nuget/NuGet/NuGet.Config", r"<add "),
)
_MAVEN_SETTINGS = "conf/settings.xml"
# Variables that name such a file, or the directory that it lies in.
_FILES_OF_VARIABLES: Mapping[str, tuple[str, str]] = {
    "PIP_CONFIG_FILE": ("", _PIP),
    "UV_CONFIG_FILE": ("", _UV),
    "NPM_CONFIG_USERCONFIG": ("", _NPM),
    "GEMRC": ("", _GEM),
    "BUNDLE_USER_CONFIG": ("", _BUNDLE),
    "GOENV": ("", _GO),
    "CARGO_HOME": ("config.toml", _CARGO),
    "COMPOSER_HOME": ("config.json", _COMPOSER),
    "MAVEN_HOME": (_MAVEN_SETTINGS, _MAVEN),
}
_VARIABLES = re.compile(
    r"PIP_(EXTRA_)?INDEX_URL|UV_(DEFAULT_|EXTRA_)?INDEX(_URL)?|(?i:p?npm_config_registry)|GOPROXY|GOSUMDB"
    r"|CARGO_REGISTRIES_\w+_INDEX|YARN_NPM_REGISTRY_SERVER|BUNDLE_MIRROR__\w+"
)


def learned_hosts(
    cache: Path, environment: Mapping[str, str], home: Path | None = None
) -> tuple[LearnedHosts, ...]:
    """Return the hosts of the tools on this machine. Blocks: seconds at the first time, then milliseconds.

    `cache` is a file that remembers the answer of each tool until the tool changes. Never raises for a tool or
    file that cannot be read; what it names is asked about later.
    """
    place = Path.home() if home is None else home
    return (*_built_in(cache, environment), *_configured(place, environment))


def _built_in(cache: Path, environment: Mapping[str, str]) -> Iterable[LearnedHosts]:
    known, answers = _load(cache), dict[str, _Answer]()
    with ExitStack() as stack:
        asked: list[_Asked] = []
        for question in _QUESTIONS:
            program = which(question.tool, path=environment.get("PATH"))
            key = f"{question.tool} {_state_of(program)}" if program is not None else ""
            if key in known:
                answers[key] = known[key]
            elif program is not None:
                said = stack.enter_context(tempfile.TemporaryFile())
                asked += _ask(question, key, program, environment, said)
        end = time.monotonic() + _ASK_S
        for each in asked:
            # One that says nothing in time is not asked again: a start would wait for it each time.
            answers[each.key] = [[host.host, host.port] for host in _heard(each, end)]
    if answers != known:
        _save(cache, answers)
    for key, found in answers.items():
        if found:
            hosts = tuple(Target(str(host), int(port)) for host, port in found)
            yield LearnedHosts(key.partition(" ")[0], hosts, is_built_in=True)


def _state_of(program: str) -> str:
    real = Path(program).resolve()
    # An updated tool may have another registry built in.
    return f"{real} {real.stat().st_mtime_ns}"


def _ask(
    question: _Question, key: str, program: str, environment: Mapping[str, str], said: IO[bytes]
) -> Iterable["_Asked"]:
    # Few variables: others may name a mirror, which would then count as built in.
    plain = {name: value for name, value in environment.items() if name in ("PATH", "HOME", "LANG")}
    with suppress(OSError):
        process = subprocess.Popen(
            [program, *question.words],
            # Tools read configuration from the directory where they start: never a project's.
            cwd="/",
            env={**plain, **_NO_DOWNLOAD, **question.variables},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        yield _Asked(question, key, process, said)


def _heard(asked: _Asked, end: float) -> tuple[Target, ...]:
    try:
        asked.process.wait(max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            # The whole group: a tool may be a script whose child goes on.
            os.killpg(asked.process.pid, signal.SIGKILL)
        asked.process.wait()
        return ()
    asked.said.seek(0)
    return _answered(asked.question, asked.said.read(_MOST_BYTES).decode("utf-8", "replace"))


def _answered(question: _Question, said: str) -> tuple[Target, ...]:
    if question.tool == "pip":
        place = _PIP_PLACE.match(said)
        found = _PIP_HOSTS.search(_read(Path(place[1]) / _PIP_INDEX)) if place else None
        return _targets(f"{found[1]}\nhttps://{found[2]}" if found else "")
    lines = [line for line in said.splitlines() if question.lines in line]
    return _targets("\n".join(lines))


def _configured(home: Path, environment: Mapping[str, str]) -> Iterable[LearnedHosts]:
    for source, path, lines in _configuration(home, environment):
        text = "\n".join(line for line in _read(path).splitlines() if re.search(lines, line))
        # JSON may write a slash with a backslash before it.
        if hosts := _targets(text.replace("GOSUMDB=", "GOSUMDB=\n").replace("\\/", "/")):
            yield LearnedHosts(source, hosts, is_built_in=False)
    for name, value in environment.items():
        if _VARIABLES.fullmatch(name) and (hosts := _targets(value)):
            yield LearnedHosts(name, hosts, is_built_in=False)


def _configuration(home: Path, environment: Mapping[str, str]) -> Iterable[tuple[str, Path, str]]:
    """Yield files of this user or machine with their source, and the lines in them that count."""
    for name, lines in _FILES:
        yield name, home / name.removeprefix("~/") if name.startswith("~/") else Path(name), lines
    for name, (below, lines) in _FILES_OF_VARIABLES.items():
        places = environment.get(name) or environment.get(name.lower()) or ""
        # A relative one would be looked for in the project.
        yield from ((name, Path(each, below), lines) for each in places.split(":") if each.startswith("/"))
    if (maven := which("mvn", path=environment.get("PATH"))) is not None:
        # It starts a Java machine to tell its settings; their file lies beside its directory of programs.
        yield "mvn", Path(maven).resolve().parents[1] / _MAVEN_SETTINGS, _MAVEN


def _targets(text: str) -> tuple[Target, ...]:
    """Return the hosts of the https addresses in `text`, and of lines that are one name, as Go's GOSUMDB."""
    found = [*_ADDRESS.findall(text), *(f"https://{name}" for name in _BARE_NAME.findall(text))]
    return tuple(dict.fromkeys(target for address in found if (target := _target(address)) is not None))


def _target(address: str) -> Target | None:
    try:
        parts = urlsplit(address)
        name, port = host_name(parts.hostname or ""), parts.port or _HTTPS
    except ValueError:
        return None
    # A name without a dot belongs to the local network.
    return Target(name, port) if name is not None and "." in name else None


def _read(path: Path) -> str:
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _load(cache: Path) -> dict[str, _Answer]:
    try:
        content = json.loads(cache.read_text())
        return {str(key): [list(each) for each in found] for key, found in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _save(cache: Path, known: Mapping[str, object]) -> None:
    cache.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = cache.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(json.dumps(known))
    draft.replace(cache)
