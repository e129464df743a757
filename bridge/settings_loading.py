"""Reads the settings once from the environment and `.env`, checks them together, and lists every fault."""

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bridge.env_file import Lines, read_lines
from bridge.sandbox_tools import KEYS
from bridge.settings import IDS, SETTINGS, Settings
from bridge.settings_errors import Problem, SettingsWrong
from bridge.settings_values import mode_of
from sessions.claude.transcript import config_directory


def load_settings(env_file: Path = Path(".env")) -> Settings:
    """Load the settings. Variables come before lines of `env_file`; an empty value counts as unset.

    Relative paths begin at the working directory. Raises `SettingsWrong`, which lists every fault.
    """
    lines = _read(env_file)
    written = {name.lower(): value for name, value in lines.values.items() if value}
    # Names in capitals come last, so that they win over the same name in other letters.
    for name in sorted(os.environ, reverse=True):
        if os.environ[name]:
            written[name.lower()] = os.environ[name]
    return settings_from(written, _wrong_lines(lines))


def settings_from(written: Mapping[str, str], problems: Sequence[Problem] = ()) -> Settings:
    """Return the settings from `written`, by the names of the fields; other names are ignored.

    Raises `SettingsWrong` with `problems` and every other fault.
    """
    found: dict[str, Any] = {}
    problems = list(problems)
    for name, setting in SETTINGS.items():
        try:
            found[name] = setting.read(written.get(name, "").strip() or setting.default)
        except ValueError as error:
            problems.append(_at(name, str(error), f"Write {setting.write}"))
    if "data_dir" in found and not written.get("database_path"):
        found["database_path"] = found["data_dir"] / "sessions.db"
    # Contradictions can only be told among settings that could all be read.
    if len(found) == len(SETTINGS):
        settings = Settings(**found)
        problems += _contradictions(settings)
        if not problems:
            return settings
    raise SettingsWrong(problems)


def missing_for_discord(settings: Settings) -> tuple[Problem, ...]:
    """Return the settings that the Discord face still needs: it stays closed until somebody is allowed."""
    missing: list[Problem] = []
    if settings.discord_token is None:
        missing.append(_at("discord_token", "is not set", "Write the bot's token"))
    if not settings.allowed_guild_ids:
        missing.append(_at("allowed_guild_ids", "is not set", f"Write {IDS}"))
    if not (settings.allowed_user_ids or settings.allowed_role_ids or settings.admin_user_ids):
        remedy = "Write your own id there; ALLOWED_ROLE_IDS or ADMIN_USER_IDS will do as well"
        missing.append(_at("allowed_user_ids", "names nobody", remedy))
    return tuple(missing)


def _read(env_file: Path) -> Lines:
    try:
        return read_lines(env_file)
    except UnicodeDecodeError:
        raise SettingsWrong([Problem(env_file.name, "is not UTF-8 text", "Save it as UTF-8")]) from None
    except OSError as error:
        raise SettingsWrong(
            [Problem(env_file.name, f"cannot be read ({error.strerror})", "Check it")]
        ) from error


def _wrong_lines(lines: Lines) -> list[Problem]:
    """Return lines of `.env` that cannot be read, and names that are almost a setting's name."""
    known = {name.upper(): name for name in SETTINGS}
    problems = [
        Problem(f"Line {number} of .env", "cannot be read", "Write NAME=value, or # before a comment")
        for number in lines.unreadable
    ]
    for name in lines.values:
        if name.upper() in known:
            continue
        import difflib  # a start with right names does not need it

        # Unknown names are no fault: the file may hold variables for other programs.
        if close := difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.85):
            problems.append(_at(known[close[0]], f"is written {name} in .env", "Correct its name there"))
    return problems


def _contradictions(settings: Settings) -> list[Problem]:
    found = [
        _at(name, "is a file", "Write a directory")
        for name in ("data_dir", "workspace_root")
        if stat.S_ISREG(mode_of(getattr(settings, name)))
    ]
    if stat.S_ISDIR(mode_of(settings.database_path)):
        found.append(_at("database_path", "is a directory", "Write a file's path"))
    if settings.workspace_root.is_relative_to(settings.data_dir):
        # Claude may neither read nor write below DATA_DIR.
        found.append(_at("workspace_root", "lies in DATA_DIR", "Write a directory outside of it"))
    found += _opened_private_places(settings)
    return found


def _opened_private_places(settings: Settings) -> list[Problem]:
    """Return paths of SANDBOX_READ and SANDBOX_WRITE that would show a private place in every sandbox."""
    home = Path.home()
    config = config_directory(os.environ)
    private = (settings.data_dir, settings.database_path, Path(".env").absolute(), config, home)
    keys = [home / name for name in KEYS]
    found = []
    for name in ("sandbox_read", "sandbox_write"):
        # Resolved: a link could name a private place by a harmless name.
        for path in map(Path.resolve, getattr(settings, name)):
            held = next((each for each in (*private, *keys) if each.resolve().is_relative_to(path)), None)
            inside = next(
                (each for each in (settings.data_dir, config) if path.is_relative_to(each.resolve())), None
            )
            if held is not None or inside is not None:
                trouble = (
                    f"names {path}, which holds {held}" if held else f"names {path}, which lies in {inside}"
                )
                found.append(_at(name, trouble, "Name only what Claude needs, never a private place"))
    return found


def _at(name: str, trouble: str, remedy: str) -> Problem:
    """Return a problem with one setting, with its line in `.env.example`."""
    from bridge.settings_example import line_numbers  # most settings have no fault

    return Problem(name.upper(), trouble, remedy, line_numbers()[name])
