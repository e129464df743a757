"""What a launch and the settings put into a sandbox: tools below a home, work trees, and no planted link."""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backends.base import LaunchSpec
from backends.sandbox.bwrap import command, mounts
from backends.sandbox.model import Access, Mechanism, Own, Policy, System
from backends.sandbox.probe import find_bwrap
from backends.sandbox.system import this_system
from bridge.sandbox_tools import tools_below
from sessions.claude.launch import Fresh
from sessions.claude.sandbox_access import (
    Asked,
    SandboxOptions,
    environment_inside,
    prepare,
    program_files,
    state_directory,
)
from sessions.work_directory import shared_git_directory
from tests.sandbox.world import sandboxing_for


def git(directory: Path, *words: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", "-C", str(directory), *identity, *words], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    made = tmp_path / "main"
    made.mkdir()
    git(made, "init", "-q")
    git(made, "commit", "-q", "--allow-empty", "-m", "first")
    git(made, "worktree", "add", "-q", str(tmp_path / "tree"))
    return made


def test_the_repository_of_a_work_tree_counts_only_if_it_names_the_tree(
    repository: Path, tmp_path: Path
) -> None:
    assert shared_git_directory(tmp_path / "tree") == (repository / ".git",)
    assert shared_git_directory(repository) == ()
    forged = tmp_path / "forged"
    forged.mkdir()
    for pointer in (
        f"gitdir: {repository}/.git/worktrees/tree",  # it names another tree
        f"gitdir: {repository}/.git",
        f"gitdir: {tmp_path}",
        "gitdir: ../../../../etc",
        "nonsense",
    ):
        (forged / ".git").write_text(pointer)
        assert shared_git_directory(forged) == (), pointer
    (forged / ".git").unlink()
    (forged / ".git").symlink_to(tmp_path / "tree" / ".git")
    assert shared_git_directory(forged) == ()


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        (".nvm/versions/node/v22/bin", [".nvm/versions"]),
        (".pyenv/shims", [".pyenv"]),
        (".cargo/bin", [".cargo/bin", ".rustup"]),
        (".local/bin", [".local/bin", ".local/share/uv"]),
        ("go/bin", ["go/bin"]),
        ("project/.venv/bin", ["project/.venv"]),
        ("bin", ["bin"]),
        (".", []),
        ("missing/bin", []),
    ],
)
def test_tools_are_shown_without_what_lies_beside_them(tmp_path: Path, entry: str, shown: list[str]) -> None:
    for name in (".nvm/versions/node/v22/bin", ".pyenv/shims", ".cargo/bin", ".rustup", ".local/bin", "go/bin"):
        (tmp_path / name).mkdir(parents=True)
    for name in (".local/share/uv", ".local/share/keyrings", "project/.venv/bin", "bin"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "project/.venv/pyvenv.cfg").touch()
    (tmp_path / ".cargo/credentials.toml").touch()
    found = tools_below(tmp_path, f"/usr/bin:{tmp_path / entry}:relative")
    assert [str(each.relative_to(tmp_path)) for each in found] == shown


@pytest.mark.parametrize("mechanism", ["bwrap", "landlock"])
def test_tokens_beside_what_is_shown_by_default_are_not_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mechanism: str
) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    tokens = (".config/git/credentials", ".local/share/uv/credentials/a", ".nvm/versions/node/v22/etc/npmrc")
    shown = (".config/git/ignore", ".local/share/uv/tool", ".nvm/versions/node/v22/etc/other")
    for name in (*tokens, *shown):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("TOKEN\n" if name in tokens else "shown\n")
    work.mkdir()
    for name in (".local/bin", ".nvm/versions/node/v22/bin"):
        (home / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{home}/.local/bin:{home}/.nvm/versions/node/v22/bin:{os.environ['PATH']}")
    arranged = sandboxing_for(
        tmp_path, sandbox=mechanism, sandbox_tools="auto", sandbox_read=f"{home}/.config/git"
    )
    assert arranged.wrapper is not None
    script = f"cat {' '.join(str(home / name) for name in (*shown, *tokens))} 2>/dev/null"
    given = LaunchSpec(
        "s",
        1,
        tmp_path / "run",
        ("/bin/sh", "-c", script),
        work,
        {"PATH": os.defpath},
        access=Access(write=(work,)),
    )
    wrapped = arranged.wrapper(given)
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 5>/dev/null', "sh", *wrapped.argv],
        env=dict(wrapped.environment),
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "shown\n" * 3, done.stderr


def test_a_kept_path_through_a_planted_link_is_not_mounted(tmp_path: Path) -> None:
    work, foreign = tmp_path / "work", tmp_path / "foreign"
    for directory in (work / "hooks", foreign):
        directory.mkdir(parents=True)
    (foreign / "settings.json").touch()
    (work / ".claude").symlink_to(foreign)
    (work / ".mcp.json").symlink_to(foreign / "settings.json")
    kept = (work / ".claude/settings.json", work / ".mcp.json", work / "hooks", work / "missing")
    policy = Policy(mechanism=Mechanism.BWRAP, program=Path("/usr/bin/bwrap"))
    shown = {each.target for each in mounts(policy, Access(write=(work,), kept=kept))}
    assert shown == {work, work / "hooks"}


def test_a_private_place_in_a_shown_directory_is_empty_but_for_what_the_launch_names(tmp_path: Path) -> None:
    opt = tmp_path / "opt"
    for name in ("bridge/data", "bridge/workspaces/mine", "bridge/workspaces/other"):
        (opt / name).mkdir(parents=True)
    (opt / "bridge/.env").touch()
    policy = Policy(
        mechanism=Mechanism.BWRAP,
        program=Path("/usr/bin/bwrap"),
        system=System((opt,)),
        hidden=(opt / "bridge/data", opt / "bridge/.env", opt / "bridge/workspaces", tmp_path / "elsewhere"),
    )
    mine = opt / "bridge/workspaces/mine"
    words = command(policy, Access(write=(mine,)), mine, info=False)
    line = " ".join(words)
    assert f"--tmpfs {opt}/bridge/data" in line
    assert f"--ro-bind /dev/null {opt}/bridge/.env" in line
    assert line.index(f"--tmpfs {opt}/bridge/workspaces") < line.index(f"--bind {mine} {mine}")
    assert "elsewhere" not in line
    assert "--die-with-parent" not in words


def test_each_project_has_a_home_and_a_configuration_of_its_own_without_foreign_servers(tmp_path: Path) -> None:
    config, home = tmp_path / "claude", tmp_path / "home"
    config.mkdir()
    (config / ".claude.json").write_text(
        '{"userID": "u", "mcpServers": {"mail": {"env": {"KEY": "SECRET"}}}, "projects": {"/other": {}}}'
    )
    environment = {"HOME": str(home), "CLAUDE_CONFIG_DIR": str(config), "SSH_AUTH_SOCK": "/run/agent"}
    options = SandboxOptions(state=tmp_path / "state")
    places = []
    for name in ("a/shop", "b/shop"):
        work = tmp_path / name
        work.mkdir(parents=True)
        asked = Asked(
            command=["/usr/bin/claude"],
            environment=environment,
            start=Fresh("11111111-1111-4111-8111-111111111111"),
            work_directory=work,
        )
        access = prepare(options, asked)
        place = state_directory(options.state, work)
        assert [(each.target, each.source) for each in access.own] == [
            (home, place / "home"),
            (config, place / "claude"),
        ]
        seeded = (place / "claude/.claude.json").read_text()
        assert "userID" in seeded
        assert "SECRET" not in seeded
        assert "/other" not in seeded
        places.append(place)
    assert len(set(places)) == 2
    assert "SSH_AUTH_SOCK" not in environment_inside(options, environment)
    with_agent = SandboxOptions(state=tmp_path / "state", ssh_agent=True)
    assert "SSH_AUTH_SOCK" in environment_inside(with_agent, environment)


@pytest.mark.parametrize("points", ["absolute", "relative"])
@pytest.mark.parametrize("is_on_path", [True, False])
def test_a_program_that_is_a_link_in_a_directory_of_the_path_starts(
    tmp_path: Path, points: str, *, is_on_path: bool
) -> None:
    """As Claude's installer lays it out: `~/.local/bin/claude` points to `~/.local/share/claude/versions/…`."""
    home, work, own = (tmp_path / name for name in ("home", "work", "own"))
    versions, programs = home / ".local/share/claude/versions", home / ".local/bin"
    for directory in (versions, programs, work, own):
        directory.mkdir(parents=True)
    shutil.copy("/usr/bin/true", versions / "2.1")
    program = programs / "claude"
    program.symlink_to(versions / "2.1" if points == "absolute" else "../share/claude/versions/2.1")
    tools = Access(read=(programs,) if is_on_path else ())
    policy = Policy(mechanism=Mechanism.BWRAP, program=find_bwrap(), system=this_system(), access=tools)
    access = Access(read=tuple(program_files([str(program)])), write=(work,), own=(Own(home, own),))
    words = command(policy, access, work, info=False)
    done = subprocess.run([*words, str(program)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_link_planted_in_an_own_directory_is_removed_or_nothing_is_mounted_there(tmp_path: Path) -> None:
    config, home, work = (tmp_path / name for name in ("claude", "home", "work"))
    for directory in (config / "commands", home, work):
        directory.mkdir(parents=True)
    (home / ".gitconfig").touch()
    options = SandboxOptions(state=tmp_path / "state")
    asked = Asked(
        command=["/usr/bin/claude"],
        environment={"HOME": str(home), "CLAUDE_CONFIG_DIR": str(config)},
        start=Fresh("11111111-1111-4111-8111-111111111111"),
        work_directory=work,
    )
    prepare(options, asked)
    place = state_directory(options.state, work)
    for planted in (place / "claude/commands", place / "claude/projects", place / "home/.gitconfig"):
        planted.symlink_to(f"/oldroot{tmp_path}/made")
    access = prepare(options, asked)
    assert not (place / "claude/commands").is_symlink()
    assert not (place / "claude/projects").is_symlink()
    # The settings name this one: the wrapper only looks.
    policy = Policy(
        mechanism=Mechanism.BWRAP,
        program=find_bwrap(),
        system=this_system(),
        access=Access(read=(home / ".gitconfig",)),
    )
    shown = {each.target for each in mounts(policy, access)}
    assert config / "commands" in shown
    assert home / ".gitconfig" not in shown
    words = command(policy, access, work, info=False)
    done = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("mounts", [True, False])
def test_sessions_of_one_project_that_start_at_once_all_start(tmp_path: Path, *, mounts: bool) -> None:
    work, config = tmp_path / "work", tmp_path / "claude"
    for directory in (work, config, tmp_path / "home"):
        directory.mkdir()
    asked = Asked(
        command=["/usr/bin/claude"],
        environment={"HOME": str(tmp_path / "home"), "CLAUDE_CONFIG_DIR": str(config)},
        start=Fresh("11111111-1111-4111-8111-111111111111"),
        work_directory=work,
    )
    with ThreadPoolExecutor(4) as threads:
        for number in range(10):
            options = SandboxOptions(state=tmp_path / f"state-{number}", mounts=mounts)
            made = [threads.submit(prepare, options, asked) for _ in range(4)]
            assert len({each.result() for each in made}) == 1
