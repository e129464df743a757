"""Find how a project is tested, checked and built, from the manifests in its directory.

The commands are ours: fixed forms with at most one task name in them, and that name has the form of a name. The
text of a script is never shown, because it may be anything that somebody wrote into a repository.
"""

import json
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import msgspec

from workdirs.install_scripts import started_files

_MOST_BYTES = 128 * 1024
_DIGEST_CHARS = 16
_MOST_DOTS = 200
_MOST_COMMANDS = 12
_MOST_OF_A_PURPOSE = 3
_TO_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

_PURPOSES = {
    "test": re.compile(r"(?:unit[-_]?)?tests?(?:[:._-][a-z0-9:._-]{1,30})?|check|spec"),
    "lint": re.compile(
        r"(?:lint|typecheck|type-check|types|mypy|format|fmt|style)(?:[:._-][a-z0-9:._-]{1,30})?"
    ),
    "build": re.compile(r"(?:build|compile|dist)(?:[:._-][a-z0-9:._-]{1,30})?"),
}


class FoundCommand(msgspec.Struct, frozen=True):
    """A command of a project. `purpose` is test, lint or build; `source` the manifest that it comes from."""

    purpose: str
    command: str
    source: str


_SET_UP = {
    "pnpm-lock.yaml": "pnpm install --frozen-lockfile",
    "yarn.lock": "yarn install",
    "bun.lock": "bun install --frozen-lockfile",
    "bun.lockb": "bun install --frozen-lockfile",
    "package-lock.json": "npm ci",
    "npm-shrinkwrap.json": "npm ci",
    "uv.lock": "uv sync",
    "poetry.lock": "poetry install",
    "pdm.lock": "pdm sync",
    "Pipfile.lock": "pipenv sync --dev",
    "Gemfile.lock": "bundle install",
    "composer.lock": "composer install",
    "mix.lock": "mix deps.get",
}
"""Lock file -> the command that installs what it names. Cargo, Go and the like fetch it when they build."""


_READ_BY = {
    "pnpm install --frozen-lockfile": ("package.json", ".npmrc", "pnpm-workspace.yaml", ".pnpmfile.cjs"),
    "yarn install": ("package.json", ".yarnrc.yml", ".yarnrc", ".npmrc"),
    "bun install --frozen-lockfile": ("package.json", "bunfig.toml", ".npmrc"),
    "npm ci": ("package.json", ".npmrc"),
    "uv sync": ("pyproject.toml", "uv.toml", "setup.py", "setup.cfg"),
    "poetry install": ("pyproject.toml", "poetry.toml", "build.py"),
    "pdm sync": ("pyproject.toml", "pdm.toml", "setup.py", "setup.cfg"),
    "pipenv sync --dev": ("Pipfile",),
    "bundle install": ("Gemfile", ".bundle/config"),
    "composer install": ("composer.json",),
    "mix deps.get": ("mix.exs",),
}
"""Command -> more files that say what it runs, such as scripts to run after an installation."""


class SetupPlan(msgspec.Struct, frozen=True):
    """Commands that install dependencies, and the files that say what they run.

    `digest` names the commands together with the contents of the files.
    """

    commands: tuple[str, ...]
    files: tuple[str, ...]
    digest: str


class Manifests:
    """The files directly in one directory. A link, a special file or a large file counts as absent."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def has(self, name: str) -> bool:
        """Whether a regular file of this name is there."""
        try:
            return stat.S_ISREG((self._directory / name).lstat().st_mode)
        except OSError:
            return False

    def first(self, *names: str) -> str:
        """Return the first of `names` that is there, or an empty text."""
        return next((name for name in names if self.has(name)), "")

    def text(self, name: str) -> str:
        """Return the text of a file; empty if it is absent, too large, or not UTF-8."""
        try:
            descriptor = os.open(self._directory / name, _TO_READ)
        except OSError:
            return ""
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return ""
            content = os.read(descriptor, _MOST_BYTES + 1)
            return content.decode() if len(content) <= _MOST_BYTES else ""
        except (OSError, UnicodeDecodeError):
            return ""
        finally:
            os.close(descriptor)

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a file of any size; empty if it cannot be read."""
        try:
            with os.fdopen(os.open(self._directory / name, _TO_READ), "rb") as file:
                return file_digest(file, "sha256").hexdigest()
        except OSError:
            return ""

    def json(self, name: str) -> Mapping[str, Any]:
        """Return the object in a JSON file; empty if there is none."""
        return _table(json.loads, self.text(name))

    def toml(self, name: str) -> Mapping[str, Any]:
        """Return the table in a TOML file; empty if there is none."""
        text = self.text(name)
        # `tomllib` takes a time that grows with the square of a key's parts: a minute for one long line.
        if any(line.count(".") > _MOST_DOTS for line in text.splitlines()):
            return {}
        return _table(tomllib.loads, text)


def _table(load: Callable[[str], Any], text: str) -> Mapping[str, Any]:
    if not text:
        return {}
    try:
        loaded = load(text)
    # `RecursionError`: deeply nested JSON or TOML.
    except (ValueError, RecursionError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def setup_commands(directory: Path) -> tuple[str, ...]:
    """Return the commands that install what the project's lock files name, at most two; often none."""
    manifests = Manifests(directory)
    found = dict.fromkeys(command for lock, command in _SET_UP.items() if manifests.has(lock))
    return tuple(found)[:2]


def setup_plan(directory: Path) -> SetupPlan:
    """Return the commands of `setup_commands` with the files that are there. Reads them whole; blocks."""
    commands, manifests = setup_commands(directory), Manifests(directory)
    named = [lock for lock, command in _SET_UP.items() if command in commands]
    named += [name for command in commands for name in _READ_BY[command]]
    if "package.json" in named:
        # A branch could change a script that the installation starts, and leave `package.json` as it was.
        named += started_files(manifests.json("package.json"), manifests.has)
    files = tuple(name for name in dict.fromkeys(named) if manifests.has(name))
    # Somebody agrees to these contents. A file that changed needs another consent.
    facts = sha256("\n".join((*commands, "")).encode())
    for name in files:
        facts.update(f"{name}\0{manifests.digest(name)}\n".encode())
    return SetupPlan(commands, files, facts.hexdigest()[:_DIGEST_CHARS])


def find_commands(files: Manifests) -> tuple[FoundCommand, ...]:
    """Return the commands in the order test, lint, build; at most three of each purpose, none twice."""
    found: dict[str, FoundCommand] = {}
    for reader in _READERS:
        for each in reader(files):
            found.setdefault(each.command, each)
    chosen: list[FoundCommand] = []
    for purpose in _PURPOSES:
        chosen += [each for each in found.values() if each.purpose == purpose][:_MOST_OF_A_PURPOSE]
    return tuple(chosen[:_MOST_COMMANDS])


def _tasks(names: object, prefix: str, source: str) -> Iterator[FoundCommand]:
    """Yield the tasks whose names say that they test, lint or build; the plainest names first."""
    if not isinstance(names, dict | list | tuple):
        return
    # A name may be anything a repository chose: only those of the expected form get into a command.
    words = sorted({name for name in names if isinstance(name, str)}, key=lambda name: (len(name), name))
    for name in words:
        for purpose, form in _PURPOSES.items():
            if form.fullmatch(name):
                yield FoundCommand(purpose, f"{prefix} {name}", source)


def _at(table: object, *path: str) -> object:
    for name in path:
        table = table.get(name) if isinstance(table, dict) else None
    return table


def _makefile(files: Manifests) -> Iterator[FoundCommand]:
    source = files.first("Makefile", "GNUmakefile", "makefile")
    targets = (
        re.findall(r"^([A-Za-z0-9_.:-]{1,40})[ \t]*::?(?!=)", files.text(source), re.MULTILINE)
        if source
        else []
    )
    yield from _tasks([each.rstrip(":") for each in targets], "make", source)


def _justfile(files: Manifests) -> Iterator[FoundCommand]:
    source = files.first("justfile", "Justfile", ".justfile")
    recipes = re.findall(
        r"^@?([A-Za-z0-9_-]{1,40})(?:[ \t][^:\n]{0,200})?:(?!=)", files.text(source), re.MULTILINE
    )
    yield from _tasks(recipes if source else [], "just", source)


def _taskfile(files: Manifests) -> Iterator[FoundCommand]:
    source = files.first("Taskfile.yml", "Taskfile.yaml")
    yield from _tasks(
        re.findall(r"^  ([a-z0-9:_-]{1,40}):", files.text(source), re.MULTILINE) if source else [],
        "task",
        source,
    )


def _node(files: Manifests) -> Iterator[FoundCommand]:
    locks = {
        "pnpm-lock.yaml": "pnpm run",
        "yarn.lock": "yarn run",
        "bun.lockb": "bun run",
        "bun.lock": "bun run",
    }
    runner = next((run for lock, run in locks.items() if files.has(lock)), "npm run")
    yield from _tasks(_at(files.json("package.json"), "scripts"), runner, "package.json")
    yield from _tasks(_at(files.json("deno.json"), "tasks"), "deno task", "deno.json")


def _python(files: Manifests) -> Iterator[FoundCommand]:
    project = files.toml("pyproject.toml")
    locks = {"uv.lock": "uv run ", "poetry.lock": "poetry run ", "pdm.lock": "pdm run "}
    run = next((prefix for lock, prefix in locks.items() if files.has(lock)), "")
    for path, prefix in (
        (("tool", "poe", "tasks"), f"{run}poe"),
        (("tool", "taskipy", "tasks"), f"{run}task"),
        (("tool", "pdm", "scripts"), "pdm run"),
        (("tool", "hatch", "envs", "default", "scripts"), "hatch run"),
    ):
        yield from _tasks(_at(project, *path), prefix, "pyproject.toml")
    for tool, purpose, command in (
        ("pytest", "test", "pytest"),
        ("ruff", "lint", "ruff check"),
        ("mypy", "lint", "mypy ."),
        ("pyright", "lint", "pyright"),
    ):
        if isinstance(_at(project, "tool", tool), dict):
            yield FoundCommand(purpose, run + command, "pyproject.toml")
    yield from _if_there(files, ("pytest.ini", "test", run + "pytest"), ("tox.ini", "test", "tox"))
    yield from _if_there(files, ("noxfile.py", "test", "nox"), ("ruff.toml", "lint", run + "ruff check"))
    yield from _if_there(files, ("mypy.ini", "lint", run + "mypy ."))
    if isinstance(project.get("build-system"), dict):
        yield FoundCommand("build", "uv build" if run.startswith("uv") else "python -m build", "pyproject.toml")


def _others(files: Manifests) -> Iterator[FoundCommand]:
    yield from _tasks(_at(files.json("composer.json"), "scripts"), "composer run", "composer.json")
    gradle = "./gradlew" if files.has("gradlew") else "gradle"
    maven = "./mvnw" if files.has("mvnw") else "mvn"
    yield from _if_there(
        files,
        ("Cargo.toml", "test", "cargo test"),
        ("Cargo.toml", "lint", "cargo clippy"),
        ("Cargo.toml", "build", "cargo build"),
        ("go.mod", "test", "go test ./..."),
        ("go.mod", "lint", "go vet ./..."),
        ("go.mod", "build", "go build ./..."),
        (".golangci.yml", "lint", "golangci-lint run"),
        ("build.gradle", "test", f"{gradle} test"),
        ("build.gradle", "build", f"{gradle} build"),
        ("build.gradle.kts", "test", f"{gradle} test"),
        ("build.gradle.kts", "build", f"{gradle} build"),
        ("pom.xml", "test", f"{maven} test"),
        ("pom.xml", "build", f"{maven} package"),
        ("mix.exs", "test", "mix test"),
        (".rspec", "test", "bundle exec rspec"),
        ("CMakeLists.txt", "build", "cmake -B build && cmake --build build"),
        (".pre-commit-config.yaml", "lint", "pre-commit run --all-files"),
    )


def _if_there(files: Manifests, *known: tuple[str, str, str]) -> Iterator[FoundCommand]:
    for name, purpose, command in known:
        if files.has(name):
            yield FoundCommand(purpose, command, name)


_READERS: tuple[Callable[[Manifests], Iterator[FoundCommand]], ...] = (
    _makefile,
    _justfile,
    _taskfile,
    _node,
    _python,
    _others,
)
