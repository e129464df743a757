"""Find the programs of PATH below the home directory, with the directories that they need (SANDBOX_TOOLS).

A sandbox shows no home. Version managers put their programs there, so their directories are shown, read-only,
but none that also holds keys or tokens: of cargo only the programs, for example. Only looks.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

# A part of a path below the home directory, and what is shown if PATH leads into it.
_MANAGERS: Mapping[str, tuple[str, ...]] = {
    ".nvm/versions": (".nvm/versions",),
    ".pyenv": (".pyenv",),
    ".rbenv": (".rbenv",),
    ".asdf": (".asdf",),
    ".volta": (".volta",),
    ".fnm": (".fnm",),
    ".local/share/fnm": (".local/share/fnm",),
    ".local/share/mise": (".local/share/mise",),
    ".local/share/pnpm": (".local/share/pnpm",),
    ".sdkman/candidates": (".sdkman/candidates",),
    ".cargo/bin": (".cargo/bin", ".rustup"),
    ".rustup": (".rustup",),
    ".bun/bin": (".bun/bin",),
    ".deno/bin": (".deno/bin",),
    ".local/bin": (".local/bin", ".local/share/uv", ".local/share/pipx", ".local/pipx", ".local/lib"),
    ".nix-profile": (".nix-profile",),
}
KEYS = (".ssh", ".gnupg", ".aws")
"""Directories of keys below a home. No setting shows what is around them, and no project lies in them."""
# Files with tokens in directories that are shown by default.
_SECRETS = (".config/git/credentials", ".local/share/uv/credentials", ".nvm/versions/*/*/etc/npmrc")


def tools_below(home: Path, search_path: str) -> tuple[Path, ...]:
    """Return the directories to show for the entries of PATH below `home`, without doubles."""
    entries = (Path(entry) for entry in search_path.split(os.pathsep) if entry.startswith("/"))
    found = (each for entry in entries if _is_strictly_below(entry, home) for each in _needed(home, entry))
    return tuple(dict.fromkeys(each for each in found if each.exists()))


def secrets_below(home: Path) -> tuple[Path, ...]:
    """Return the files with tokens in the directories that SANDBOX_READ and SANDBOX_TOOLS show by default."""
    return tuple(path for pattern in _SECRETS for path in sorted(home.glob(pattern)))


def _needed(home: Path, entry: Path) -> Iterator[Path]:
    below = entry.relative_to(home)
    for part, shown in _MANAGERS.items():
        if below.is_relative_to(part):
            yield from (home / each for each in shown)
            return
    environment = entry.parent / "pyvenv.cfg"
    # A virtual environment lies in one directory; of anything else, only the programs themselves are shown.
    yield entry.parent if environment.is_file() else entry


def _is_strictly_below(path: Path, home: Path) -> bool:
    return path != home and path.is_relative_to(home)
