"""The files for the browser, from memory, under names with their hash: a browser keeps each for ever."""

import gzip
import hashlib
from dataclasses import dataclass
from importlib.resources import files

from aiohttp import web

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
        for each in files("web").joinpath("static").iterdir():
            stem, dot, ending = each.name.rpartition(".")
            body = each.read_bytes()
            digest = hashlib.sha256(body).hexdigest()[:16]
            path = f"/static/{stem}.{digest}{dot}{ending}"
            self._by_name[each.name] = _File(path, body, gzip.compress(body, mtime=0), _TYPES[dot + ending])

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
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
        if packs:
            headers["Content-Encoding"] = "gzip"
        body = file.packed if packs else file.body
        return web.Response(body=body, headers=headers, content_type=file.media_type, charset="utf-8")

    return serve
