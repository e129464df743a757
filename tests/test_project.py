"""The project itself: dependencies, locks, what may be imported, and paths that texts name."""

import ast
import re
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
# Each with a class of one letter, so that the pattern does not find itself.
REGISTRIES = re.compile(
    r"[p]ypi\W?org|python[h]osted|[r]egistry\W?npmjs|[p]roxy\W?golang|/opt/[p]ypi", re.IGNORECASE
)
OTHER_LOCK = "uv.lock"  # the survey knows those of the projects that people work on; this project keeps none


def tracked() -> list[Path]:
    """Every file of the project, relative to it; without git, whatever lies in a checkout."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return [Path(name) for name in listed.stdout.split("\0") if name and (PROJECT / name).is_file()]
    hidden = {".venv", ".git", "data", "workspaces", "build", "dist"}
    files = (path.relative_to(PROJECT) for path in PROJECT.rglob("*") if path.is_file())
    return [path for path in files if not hidden & set(path.parts) and "cache" not in str(path)]


def direct_dependencies() -> set[str]:
    """Names of all direct dependencies, of whatever group."""
    groups = [
        PYPROJECT["build-system"]["requires"],
        PYPROJECT["project"]["dependencies"],
        *PYPROJECT["project"]["optional-dependencies"].values(),
        *PYPROJECT["dependency-groups"].values(),
    ]
    return {re.split(r"[^\w.-]", requirement)[0].lower() for group in groups for requirement in group}


def locked(name: str) -> str:
    return (PROJECT / "requirements" / name).read_text(encoding="utf-8")


def test_every_direct_dependency_is_justified_and_nothing_else() -> None:
    text = (PROJECT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w.-]+) \| (.+) \| (.+) \|$", text, re.MULTILINE)
    justified = {name.lower() for name, what_for, why in rows if name not in {"package", "---"}}
    assert justified == direct_dependencies()


def test_every_direct_dependency_is_locked() -> None:
    names = {re.sub(r"[-_.]+", "-", name) for name in direct_dependencies()}
    texts = "".join(locked(file) for file in ("run.txt", "dev.txt", "build.txt"))
    pinned = {
        re.sub(r"[-_.]+", "-", name.lower())
        for name in re.findall(r"^([\w.-]+)(?:\[.*?\])?==", texts, re.MULTILINE)
    }
    assert names <= pinned


@pytest.mark.parametrize("file", ["run.txt", "dev.txt", "build.txt", "uv.txt"])
def test_every_locked_version_has_a_hash_and_no_address(file: str) -> None:
    text = locked(file)
    pins = re.findall(r"^[^\s#].*?(?=^[^\s#]|\Z)", text, re.MULTILINE | re.DOTALL)
    assert pins
    assert [pin.split("\n")[0] for pin in pins if "--hash=sha256:" not in pin or "==" not in pin] == []
    assert not re.search(r"://|index-url|find-links|trusted-host", text)


def test_no_file_names_a_package_registry() -> None:
    allowed = {Path(".gitignore")}
    found = [
        f"{path}: {match[0]}"
        for path in tracked()
        if path not in allowed
        for match in REGISTRIES.finditer((PROJECT / path).read_bytes().decode("utf-8", "replace"))
        if path.suffix not in {".ndjson", ".png"}
    ]
    assert found == []
    assert not [path for path in tracked() if REGISTRIES.search(path.name) or path.name == OTHER_LOCK]


# A definition at any depth, or another statement at the margin.
STATEMENT = re.compile(r"^( *)(def|class|async def) |^[A-Za-z_@]", re.MULTILINE)


def may_have_a_long_function(text: str) -> bool:
    """Return whether a definition is far from the next statement outside it. Parsing costs much more."""
    found = list(STATEMENT.finditer(text))
    starts = [(text.count("\n", 0, each.start()), len(each[1] or ""), bool(each[2])) for each in found]
    starts.append((text.count("\n"), 0, False))
    return any(
        is_definition and next(at for at, deep, _ in starts[number + 1 :] if deep <= depth) - start > 60
        for number, (start, depth, is_definition) in enumerate(starts[:-1])
    )


def test_no_file_is_longer_than_400_lines_and_no_function_than_60() -> None:
    long: list[str] = []
    for path in tracked():
        if path.suffix != ".py":
            continue
        text = (PROJECT / path).read_text(encoding="utf-8")
        if text.count("\n") > 400:
            long.append(str(path))
        if not may_have_a_long_function(text):
            continue
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if (node.end_lineno or 0) - node.lineno >= 60:
                long.append(f"{path}: {node.name}")
    assert long == []


@cache
def imports(path: Path) -> frozenset[str]:
    """The modules that a file imports, also within functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((PROJECT / path).read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return frozenset(found)


def test_nobody_imports_what_the_project_does_without() -> None:
    forbidden = {"claude_agent_sdk", "sqlalchemy", "requests"}
    # Parsing takes a hundred times as long: only files that may be sinners are parsed.
    suspect = re.compile(rf"^\s*(import|from) .*\b({'|'.join(forbidden)})\b", re.MULTILINE)
    sinners = {
        str(path): names
        for path in tracked()
        if path.suffix == ".py"
        and suspect.search((PROJECT / path).read_text(encoding="utf-8"))
        and (names := forbidden & {name.split(".")[0] for name in imports(path)})
    }
    assert sinners == {}


def test_only_storage_opens_databases() -> None:
    sinners = [
        str(path)
        for path in tracked()
        if path.suffix == ".py"
        and path.parts[0] not in {"storage", "scripts", "tests"}
        and {"sqlite3", "aiosqlite"} & imports(path)
    ]
    assert sinners == []


def test_no_statement_numbers_its_placeholders() -> None:
    # Python 3.12 warns of `?1` with a sequence of values, and 3.14 refuses it.
    found = [
        f"{path}: {node.value}"
        for path in tracked()
        if path.suffix == ".py" and path.parts[0] in {"api", "bot", "bridge", "service", "sessions", "storage"}
        for node in ast.walk(ast.parse((PROJECT / path).read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.search(r"\b(SELECT|FROM|WHERE|AND|VALUES|SET|LIMIT)\b.*\?\d", node.value, re.DOTALL)
    ]
    assert found == []


def test_the_wheel_holds_the_import_packages_and_nothing_else() -> None:
    packages = set(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    modules = {path.parts[0] for path in tracked() if path.name == "__init__.py" and len(path.parts) == 2}
    assert packages == modules - {"tests", "scripts", "data"}
    assert set(PYPROJECT["tool"]["importlinter"]["root_packages"]) == packages


def test_importing_any_module_needs_no_package_that_is_not_declared() -> None:
    known = {"discord", "dotenv", "markdown_it", "prompt_toolkit", "PIL", "yaml"}
    declared = {name.replace("-", "_") for name in direct_dependencies()} | known
    packages = set(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    ours = packages | {"tests", "scripts"}
    foreign = {
        (name.split(".")[0], str(path))
        for path in tracked()
        if path.suffix == ".py" and path.parts[0] in packages
        for name in imports(path)
        if name.split(".")[0] not in ours
    }
    import sys

    assert sorted(pair for pair in foreign if pair[0] not in declared | set(sys.stdlib_module_names)) == []


NAMED = re.compile(
    r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:md|py|toml))(?::[\w.]+)?`|\]\((?!https?:)([^)#\s]+)[^)]*\)"
)
# Made at run time, or by the reader.
NOT_KEPT = re.compile(r"^(\.venv|data|backups|workspaces|build|dist|~|run)(/|$)|^\.env$|<")


def documents() -> list[Path]:
    return [
        path for path in tracked() if path.suffix == ".md" and path.parts[0] in {path.name, "docs", ".github"}
    ]


def test_every_path_that_a_document_names_exists() -> None:
    missing = []
    for document in documents():
        for match in NAMED.finditer((PROJECT / document).read_text(encoding="utf-8")):
            name = match[1] or match[2]
            if NOT_KEPT.search(name):
                continue
            places = [PROJECT / name, (PROJECT / document).parent / name]
            if not any(place.exists() for place in places):
                missing.append(f"{document}: {name}")
    assert missing == []


FILE = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|sh|sql|md|toml|c))`")


def test_every_file_that_a_docstring_or_comment_names_exists() -> None:
    missing = []
    for path in tracked():
        if path.suffix != ".py":
            continue
        for match in FILE.finditer((PROJECT / path).read_text(encoding="utf-8")):
            beside = [PROJECT, (PROJECT / path).parent, (PROJECT / path).parents[1]]
            if not any((place / match[1]).exists() for place in beside):
                missing.append(f"{path}: {match[1]}")
    assert missing == []


SPAN = re.compile(r"`([^`]+)`")
NAME = re.compile(r"_?[A-Za-z]\w*(\.\w+)?")


def entries(heading: str) -> list[str]:
    """The numbered steps, or the rows of the table, under a heading of ARCHITECTURE.md; each as one text."""
    text = (PROJECT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
    return rows or re.split(r"^\d+\. ", section, flags=re.MULTILINE)[1:]


def defined_in(path: Path) -> set[str]:
    """`name` and `Class.member` for all that a Python file defines; of a directory, for all files in it."""
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    names: set[str] = set()
    for file in files:
        if file.suffix != ".py":
            continue
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            names |= names_of(node)
            if isinstance(node, ast.ClassDef):
                names |= {f"{node.name}.{inner}" for member in node.body for inner in names_of(member)}
    return names


def names_of(node: ast.stmt) -> set[str]:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return {name}
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case _:
            return set()


@pytest.mark.parametrize(
    "heading", ["The data's way", "Where to change what", "Invariants, and what guards them"]
)
def test_every_name_in_the_architecture_is_defined_in_a_file_named_beside_it(heading: str) -> None:
    unknown = []
    for entry in entries(heading):
        spans = SPAN.findall(entry)
        paths = [PROJECT / span for span in spans if "/" in span]
        known = set[str]().union(*map(defined_in, paths))
        names = [span for span in spans if NAME.fullmatch(span) and not (PROJECT / span).exists()]
        unknown += [f"{name}: {entry[:60]}" for name in names if name not in known | {"posts"}]
    assert unknown == []


def test_the_way_of_the_data_has_ten_steps_and_every_invariant_a_guard() -> None:
    assert len(entries("The data's way")) == 10
    unguarded = [
        row
        for row in entries("Invariants, and what guards them")
        if not re.search(r"`tests/[\w/]+\.py`: `test_\w+`", row.rsplit(" | ", 1)[1])
    ]
    assert unguarded == []


def test_ci_and_people_run_the_same_tests() -> None:
    assert "make test" in (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(r"^test:", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(("has_claude", "loads"), [(True, False), (False, True)])
def test_make_run_loads_claude_for_those_who_have_none(tmp_path: Path, has_claude: bool, loads: bool) -> None:
    shutil.copy(PROJECT / "Makefile", tmp_path)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("make", "sh", "grep", *(["claude"] if has_claude else [])):
        (programs / name).symlink_to(shutil.which(name) or "/bin/true")
    for made in ("requirements/cli.txt", "requirements/run.txt", "requirements/build.txt", "pyproject.toml"):
        (tmp_path / made).parent.mkdir(exist_ok=True)
        (tmp_path / made).touch()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for made in ("bin/uv", "run.stamp"):
        (tmp_path / ".venv" / made).touch()
    environment = {"PATH": str(programs)}
    command = ["make", "--dry-run", "run"]
    tried = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert ("requirements/cli.txt" in tried.stdout) is loads, tried.stdout
    assert "-m bridge" in tried.stdout
