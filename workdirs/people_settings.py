"""What people set for git outside of their repositories: the file of ignore rules, the conversion of line ends.

Only the two files of the machine and the user are read, by git, which runs nothing for that. A repository's own
`core.excludesFile` does not count: it could name any file of the machine.
"""

import os
from functools import lru_cache
from pathlib import Path

from workdirs.errors import WorkdirError
from workdirs.git import GitCall, Kind, run
from workdirs.git_directory import GitDirectory, plain_rules

_MACHINE = Path("/etc/gitconfig")


def people_setting(name: str) -> str:
    """Return the value of a setting of git in the files of the user and the machine; empty if it is not set."""
    # In git's order: a later file wins.
    files = (_MACHINE, *_files_of_user())
    found = ""
    for file in files:
        try:
            known = file.stat()
        except OSError:
            continue
        found = _value(os.fspath(file), name, known.st_mtime_ns, known.st_size) or found
    return found


def people_ignore_file() -> Path | None:
    """Return the user's own file of ignore rules, if there is one."""
    named = people_setting("core.excludesfile")
    path = Path(named).expanduser() if named else _home_of_settings() / "git" / "ignore"
    return path if path.is_absolute() and plain_rules(path) else None


def exclude_rules(repository: GitDirectory | None) -> bytes:
    """Return the rules in that file, then those in the `info/exclude` of `repository`, which win."""
    path = people_ignore_file()
    people = plain_rules(path) if path is not None else b""
    own = repository.exclude_rules() if repository is not None else b""
    return b"\n".join(filter(None, (people, own)))


def _home_of_settings() -> Path:
    given = os.environ.get("XDG_CONFIG_HOME")
    return Path(given) if given else Path.home() / ".config"


def _files_of_user() -> tuple[Path, ...]:
    given = os.environ.get("GIT_CONFIG_GLOBAL")
    if given is not None:
        return (Path(given),) if given else ()
    return (_home_of_settings() / "git" / "config", Path.home() / ".gitconfig")


@lru_cache(maxsize=16)
def _value(file: str, name: str, _mtime_ns: int, _size: int) -> str:
    """Ask git for the value in one file. The time and size make the answer to a changed file another one."""
    # The home is for `~` in the paths of included files.
    call = GitCall(
        Kind.OURS,
        Path(os.devnull),
        ("config", "--file", file, "--includes", "--get", name),
        variables={"HOME": os.fspath(Path.home())},
    )
    try:
        return run(call, codes=(0, 1)).text
    except WorkdirError:
        return ""
