"""Find the files that an installation with npm and its like starts: those that its scripts name.

A script of `package.json` names a file (`node tools/setup.js`) or another script (`npm run build`). Files that
such a file reads in turn are not followed.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_RUN_BY_INSTALL = (
    "preinstall",
    "install",
    "postinstall",
    "prepublish",
    "preprepare",
    "prepare",
    "postprepare",
    "pnpm:devPreinstall",
)
_MOST_FILES = 40
_WORDS = re.compile(r"[A-Za-z0-9_@+./:~-]+")
_ENDINGS = ("", ".js", ".cjs", ".mjs", ".ts", ".sh", "/index.js")


def started_files(package: Mapping[str, Any], has: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the files that the scripts of an installation name. `has` tells whether a file is there."""
    scripts = package.get("scripts")
    if not isinstance(scripts, dict):
        return ()
    found = dict.fromkeys(_named(_reached(scripts), has))
    return tuple(found)[:_MOST_FILES]


def _reached(scripts: Mapping[str, Any]) -> list[str]:
    """Return the words of the scripts that an installation runs, and of those that they name."""
    waiting, seen, words = [name for name in _RUN_BY_INSTALL if name in scripts], set[str](), list[str]()
    while waiting:
        name = waiting.pop()
        text = scripts.get(name)
        if name in seen or not isinstance(text, str):
            continue
        seen.add(name)
        new = _WORDS.findall(text)
        words += new
        named = [word for word in new if word in scripts]
        waiting += [each for word in named for each in (f"pre{word}", word, f"post{word}")]
    return words


def _named(words: list[str], has: Callable[[str], bool]) -> Iterator[str]:
    for word in words:
        path = word.removeprefix("./")
        if path.startswith(("/", "-")) or ".." in path.split("/"):
            continue
        yield from (path + ending for ending in _ENDINGS if has(path + ending))
