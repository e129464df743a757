"""Names of folders: slugs, readable ids of sessions, directories of projects."""

import re
import unicodedata
from hashlib import sha256

MAX_SLUG = 40
_NOT_IN_SLUG = re.compile(r"[^a-z0-9]+")
_READABLE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}-session-[0-9]{3,9}-[a-z0-9-]{1,60}")
_PLAIN_PROJECT = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9_-])?")


def slug_of(text: str, otherwise: str = "work") -> str:
    """Return `text` as at most 40 characters of `[a-z0-9-]`, or `otherwise` if none of it can be written so."""
    # NFKD takes accents off their letters, so `é` becomes `e` instead of nothing.
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = _NOT_IN_SLUG.sub("-", plain).strip("-")[:MAX_SLUG].strip("-")
    return slug or otherwise


def is_readable_id(text: str) -> bool:
    """Whether `text` is a readable id (`2026-01-31-session-007-login`), so that it may be part of a path."""
    return _READABLE.fullmatch(text) is not None


def project_directory(project: str) -> str:
    """Return the name of a project's directory. Different projects have different names, also without case."""
    if _PLAIN_PROJECT.fullmatch(project):
        return project
    # Two names may have one slug, or differ in case only.
    digest = sha256(project.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{slug_of(project, 'project')}-{digest}"
