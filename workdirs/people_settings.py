"""Settings of git that the user makes for all repositories: the ignore rules, and the conversion of line ends.

Only the two files of the machine and the user are read, by git, which runs nothing for that. A repository's own
`core.excludesFile` does not count: it could name any file of the machine.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

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


class PeopleRules(NamedTuple):
    """The user's own ignore rules, and the file that has them."""

    path: Path
    rules: bytes


def people_rules() -> PeopleRules | None:
    """Return the user's own ignore rules, if there are any."""
    named = people_setting("core.excludesfile")
    path = Path(named).expanduser() if named else _home_of_settings() / "git" / "ignore"
    rules = plain_rules(path) if path.is_absolute() else b""
    return PeopleRules(path, rules) if rules else None


def exclude_rules(people: PeopleRules | None, repository: GitDirectory | None) -> bytes:
    """Return the rules of the user, then those in the `info/exclude` of `repository`, which win."""
    own = repository.exclude_rules() if repository is not None else b""
    return b"\n".join(filter(None, (people.rules if people is not None else b"", own)))


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
