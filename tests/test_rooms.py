"""Each room is everywhere that a room has to be named, and works where the wheel is installed."""

import json
import subprocess
import sys
import sysconfig
from itertools import chain
from pathlib import Path

import pytest

from tests.test_project import PROJECT, PYPROJECT, tracked

FILES = [path for path in tracked() if len(path.parts) > 1]
ROOMS = sorted(
    {path.parts[0] for path in FILES if path.name == "__init__.py" and len(path.parts) == 2} - {"tests"}
)
_IMPORTS_ALL = """
import importlib, json, pkgutil, sys
target, site, rooms = sys.argv[1], sys.argv[2], sys.argv[3:]
sys.path[:0] = [target]
sys.path.append(site)  # added by hand, so that its .pth files, which lead to the sources, do not count
found = {}
for room in rooms:
    package = importlib.import_module(room)
    found[room] = package.__file__
    for each in pkgutil.walk_packages(package.__path__, f"{room}."):
        if not each.name.endswith("__main__"):
            found[each.name] = importlib.import_module(each.name).__file__
print(json.dumps(found))
"""


@pytest.mark.timeout(180)
def test_the_wheel_installs_and_every_module_of_every_room_imports(tmp_path: Path) -> None:
    def run(*argv: str | Path) -> str:
        done = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    run(
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        installed,
        wheel,
    )
    site = sysconfig.get_path("purelib")
    modules = json.loads(run(sys.executable, "-S", "-c", _IMPORTS_ALL, installed, site, *ROOMS))
    assert {name: file for name, file in modules.items() if not file.startswith(str(installed))} == {}
    # Migrations and scripts, too: whatever lies in a room is a part of it.
    missing = [str(path) for path in FILES if path.parts[0] in ROOMS and not (installed / path).is_file()]
    assert missing == []
    assert set(modules) >= set(ROOMS)


def test_each_room_is_named_wherever_rooms_are_listed() -> None:
    assert unlike(ROOMS) == {}


def test_a_room_that_is_not_named_is_missed_in_every_list() -> None:
    missed = unlike([*ROOMS, "a_new_room"])
    assert len(missed) == 6
    assert set(map(tuple, missed.values())) == {("a_new_room",)}


def unlike(rooms: list[str]) -> dict[str, list[str]]:
    """The places that list the rooms, each with what it has too much or not at all; only those that differ."""
    tool = PYPROJECT["tool"]
    (floors,) = [each for each in tool["importlinter"]["contracts"] if each["type"] == "layers"]
    dockerfile = (PROJECT / "deploy" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    ignored = (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    lists = {
        "hatch's packages": set(tool["hatch"]["build"]["targets"]["wheel"]["packages"]),
        "root_packages": set(tool["importlinter"]["root_packages"]),
        "the floors": set(chain.from_iterable(layer.split(" | ") for layer in floors["layers"])),
        "mypy's files": set(tool["mypy"]["files"]) - {"scripts", "tests"},
        "deploy/Dockerfile": {room for room in rooms if f"COPY {room} ./{room}" in dockerfile},
        ".dockerignore": {room for room in rooms if f"!{room}" in ignored},
    }
    return {name: sorted(set(rooms) ^ found) for name, found in lists.items() if found != set(rooms)}


def test_git_ignores_no_room() -> None:
    new = [f"{room}/a_new_file.py" for room in ROOMS]
    done = subprocess.run(
        ["git", "check-ignore", *new], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
