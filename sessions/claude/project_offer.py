"""List a project's offer for Claude Code: the parts that would run or steer, and the text that is left out.

Only reads, and only files inside the project: links out of it are not followed. Blocks on the file system.
Format: Claude Code documentation, settings, hooks, MCP, slash commands, subagents and skills.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

import machine
from sessions.claude import frontmatter
from texts.framing import framed
from texts.os_text import clean
from texts.redaction import Redactor

MAX_FILES = 200
MAX_FILE_BYTES = 256 * 1024
_MAX_LISTED = 60
_MAX_CHARS = 200
_SETTINGS = ("settings.json", "settings.local.json")
_SERVERS = ".mcp.json"
_MEMORY = ("CLAUDE.md", "CLAUDE.local.md", ".claude/CLAUDE.md")
# Foreign code and build results: large, and nobody writes instructions there.
_IGNORED_DIRECTORIES = frozenset({".git", "node_modules", ".venv", "venv", "__pycache__", "target", "dist"})
# Settings that neither run nor steer anything: most change only the look of a terminal.
_HARMLESS_SETTINGS = frozenset({"$schema", "theme", "spinnerTipsEnabled", "outputStyle", "cleanupPeriodDays"})
_REDACTOR = Redactor()
# O_NONBLOCK: a FIFO in the project must not hold up the reader; a device must not become our terminal.
_TO_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class ProjectOffer(msgspec.Struct, frozen=True):
    """The offer of one project.

    `runs`: one line per part that would run or steer, with its commands. `content_hash`: the hash of all files
    of these parts, empty if `runs` is empty. `nested`: CLAUDE.md in subdirectories.
    `links`: memory files that are links out of the project.
    """

    runs: tuple[str, ...] = ()
    content_hash: str = ""
    nested: tuple[str, ...] = ()
    links: tuple[Path, ...] = ()


def read_offer(project: Path) -> ProjectOffer:
    """Read the offer of `project`, an existing directory. An invalid file is listed as such, never skipped."""
    seen = hashlib.sha256()
    runs: list[str] = []
    for path, source, words in _sources(project):
        # With its place: the same bytes in another file run something else.
        seen.update(framed((os.fsencode(path.relative_to(project)), source)))
        runs += [_short(each) for each in words]
    more = len(runs) - _MAX_LISTED
    listed = [*runs[:_MAX_LISTED], *([f"and {more} more"] if more > 0 else [])]
    # The CLI follows such links: a project could make any file of this user part of the prompt.
    links = [project / name for name in _MEMORY if _leads_out(project / name, project)]
    rules = project / ".claude" / "rules"
    links += [each for each in markdown_files(rules, project, links_too=True) if _leads_out(each, project)]
    return ProjectOffer(tuple(listed), seen.hexdigest() if runs else "", tuple(_nested(project)), tuple(links))


def allowed_rules(project: Path) -> tuple[str, ...]:
    """Return the allow rules in the project's shared settings."""
    raw = read_inside(project / ".claude" / _SETTINGS[0], project)
    permissions = (_object(raw) or {}).get("permissions") if raw is not None else None
    allow = permissions.get("allow") if isinstance(permissions, Mapping) else None
    return tuple(each for each in allow if isinstance(each, str)) if isinstance(allow, list) else ()


def _sources(project: Path) -> Iterator[tuple[Path, bytes, list[str]]]:
    """Yield each file that runs or steers something: its place, its raw content, its lines for people."""
    for name in _SETTINGS:
        path = project / ".claude" / name
        if (raw := read_inside(path, project)) is not None:
            yield path, raw, _settings_words(name, raw)
    path = project / _SERVERS
    if (raw := read_inside(path, project)) is not None:
        yield path, raw, _server_words(raw)
    for kind in ("commands", "agents", "skills"):
        for path in markdown_files(project / ".claude" / kind, project):
            if kind == "skills" and path.name != "SKILL.md":
                continue
            raw = read_inside(path, project) or b""
            words = _markdown_words(f"{kind}/{path.relative_to(project / '.claude' / kind)}", raw)
            if words:
                yield path, raw, words
    yield from _plugins(project)


def _plugins(project: Path) -> Iterator[tuple[Path, bytes, list[str]]]:
    """Yield the parts of skills that are plugins: once trusted, their hooks and servers may run."""
    for manifest in sorted((project / ".claude" / "skills").glob("*/.claude-plugin/plugin.json"))[:MAX_FILES]:
        plugin = manifest.parent.parent
        yield manifest, read_inside(manifest, project) or b"", [f"The skill {plugin.name} is a plugin"]
        hooks, servers = plugin / "hooks" / "hooks.json", plugin / _SERVERS
        if (raw := read_inside(hooks, project)) is not None:
            yield hooks, raw, _hook_words((_object(raw) or {}).get("hooks"))
        if (raw := read_inside(servers, project)) is not None:
            yield servers, raw, _server_words(raw)


def _settings_words(name: str, raw: bytes) -> list[str]:
    body = _object(raw)
    if body is None:
        return [f"{name} cannot be read, so its settings are unknown"]
    words: list[str] = []
    for key, value in body.items():
        match key:
            case "hooks":
                words += _hook_words(value)
            case "env" if isinstance(value, Mapping):
                words += [f"Sets for Claude and its tools: {name}={given}" for name, given in value.items()]
            case "permissions" if isinstance(value, Mapping):
                words += [f"Permissions, {rule}: {_listed(rules)}" for rule, rules in value.items()]
            case "statusLine" | "fileSuggestion" if isinstance(value, Mapping):
                words.append(f"{key} runs `{value.get('command')}`")
            case "apiKeyHelper" | "awsAuthRefresh" | "awsCredentialExport" | "otelHeadersHelper":
                words.append(f"{key} runs `{value}`")
            case _ if key not in _HARMLESS_SETTINGS:
                words.append(f"Setting {key}: {_listed(value)}")
    return words


def _hook_words(hooks: Any) -> list[str]:
    if not isinstance(hooks, Mapping):
        return ["Hooks that cannot be read"]
    words = []
    for event, matchers in hooks.items():
        for matcher in matchers if isinstance(matchers, list) else [matchers]:
            inner = matcher.get("hooks") if isinstance(matcher, Mapping) else None
            for hook in inner if isinstance(inner, list) else [matcher]:
                does = hook if not isinstance(hook, Mapping) else hook.get("command") or hook.get("url") or hook
                words.append(f"Hook at {event} runs `{does}`")
    return words


def _server_words(raw: bytes) -> list[str]:
    body = _object(raw)
    servers = body.get("mcpServers") if body is not None else None
    if not isinstance(servers, Mapping):
        return [f"{_SERVERS} cannot be read, so its servers are unknown"]
    words = []
    for name, server in servers.items():
        if not isinstance(server, Mapping):
            words.append(f"MCP server {name} that cannot be read")
        elif "url" in server:
            helper = f", and runs `{server['headersHelper']}`" if server.get("headersHelper") else ""
            words.append(f"MCP server {name} connects to {server['url']}{helper}")
        else:
            arguments = server.get("args")
            line = [str(server.get("command")), *map(str, arguments if isinstance(arguments, list) else ())]
            words.append(f"MCP server {name} runs `{' '.join(line)}`")
    return words


def _markdown_words(name: str, raw: bytes) -> list[str]:
    file = frontmatter.split(raw.decode("utf-8", "replace"))
    grants = [f"{name} sets {key}: {value or '…'}" for key, value in file.grants.items()]
    return [*grants, *(f"{name} runs `{command}`" for command in file.commands_run)]


def _nested(project: Path) -> Iterator[str]:
    """Yield CLAUDE.md in subdirectories. The CLI reads them by itself only with the project's settings."""
    for looked, (where, directories, files) in enumerate(os.walk(project)):
        directories[:] = sorted(each for each in directories if each not in _IGNORED_DIRECTORIES)[:MAX_FILES]
        place = Path(where)
        path, is_top = place / "CLAUDE.md", place in (project, project / ".claude")
        if not is_top and "CLAUDE.md" in files and not _leads_out(path, project):
            yield clean(str(path.relative_to(project)))
        # A bound, since a project may hold a million directories.
        if looked >= 10 * MAX_FILES:
            return


def markdown_files(directory: Path, project: Path, *, links_too: bool = False) -> list[Path]:
    """Return at most `MAX_FILES` Markdown files below `directory`, sorted; links out only with `links_too`."""
    found: list[Path] = []
    for where, directories, files in os.walk(directory):
        directories.sort()
        for name in sorted(files):
            path = Path(where) / name
            if name.endswith(".md") and (links_too or not _leads_out(path, project)):
                found.append(path)
        if len(found) >= MAX_FILES:
            break
    return found[:MAX_FILES]


def read_inside(path: Path, project: Path) -> bytes | None:
    """Return the file's first `MAX_FILE_BYTES`; None if it is missing, unreadable or outside the project."""
    try:
        # Opened first, then looked at: a program in the project could swap the path in between.
        with os.fdopen(os.open(path, _TO_READ), "rb") as file:
            is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            if not is_file or not machine.this().path_of(file.fileno()).is_relative_to(project.resolve()):
                return None
            return file.read(MAX_FILE_BYTES)
    except (OSError, RuntimeError):
        return None


def _leads_out(path: Path, project: Path) -> bool:
    try:
        # Both resolved: the project's own path may contain links, too.
        return path.exists() and not path.resolve().is_relative_to(project.resolve())
    except (OSError, RuntimeError):
        return True


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else json.dumps(value, ensure_ascii=False)


def _short(words: str) -> str:
    line = _REDACTOR.redact(" ".join(clean(words).split()))
    return line if len(line) <= _MAX_CHARS else f"{line[: _MAX_CHARS - 1]}…"
