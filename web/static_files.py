"""The files for the browser, from memory, under names with their hash: a browser keeps each for ever."""

import gzip
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

from aiohttp import web

_IMPORT = re.compile(rb'"\./([a-z_]+\.js)"')
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    body: bytes
    packed: bytes
    media_type: str


class StaticFiles:
    """All files of `web/static`, read once."""

    def __init__(self) -> None:
        self._by_name: dict[str, _File] = {}
        # From memory, by exact names: aiohttp's own static routes have told strangers which files exist.
        self._bodies = {each.name: each.read_bytes() for each in files("web").joinpath("static").iterdir()}
        for name in self._bodies:
            self._add(name)

    def _add(self, name: str) -> _File:
        if name in self._by_name:
            return self._by_name[name]
        stem, dot, ending = name.rpartition(".")
        body = self._bodies[name]
        if ending == "js":
            # A module imports others by their names here; browsers need the names with hashes.
            body = _IMPORT.sub(lambda found: b'"./%s"' % self._file_name(found[1].decode()), body)
        # After the rewriting: a changed module changes the names of all that import it, so a browser never
        # mixes old modules with new ones. Modules must not import each other in a circle: `_add` would not end.
        digest = hashlib.sha256(body).hexdigest()[:16]
        path = f"/static/{stem}.{digest}{dot}{ending}"
        added = _File(path, body, gzip.compress(body, mtime=0), _TYPES[dot + ending])
        self._by_name[name] = added
        return added

    def _file_name(self, name: str) -> bytes:
        return self._add(name).path.rpartition("/")[2].encode()

    def names(self, ending: str) -> list[str]:
        """Return the names of all files with this ending, sorted."""
        return sorted(name for name in self._by_name if name.endswith(ending))

    def path(self, name: str) -> str:
        """Return the path of the file `name`, below the base path."""
        return self._by_name[name].path

    def add(self, app: web.Application, base_path: str) -> None:
        """Serve the files."""
        for each in self._by_name.values():
            app.router.add_get(f"{base_path}{each.path}", _serving(each))


def _serving(file: _File):  # type: ignore[no-untyped-def]
    async def serve(request: web.Request) -> web.Response:
        packs = "gzip" in request.headers.get("Accept-Encoding", "")
        # `Vary`: one address has two bodies, and a cache in between must not mix them up.
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
        if packs:
            headers["Content-Encoding"] = "gzip"
        body = file.packed if packs else file.body
        return web.Response(body=body, headers=headers, content_type=file.media_type, charset="utf-8")

    return serve
