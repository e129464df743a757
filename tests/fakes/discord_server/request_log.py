"""Every request that the bot made, in order, with what became of it. For tests that check traffic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .model import Json


@dataclass(slots=True)
class Request:
    """One REST request. `accepted` is true when it took effect, even if its answer was lost on the way."""

    at: float
    method: str
    route: str
    path: str
    query: dict[str, str]
    body: Json | list[Json] | None
    files: tuple[str, ...]
    status: int | None = None
    answer: object = None
    accepted: bool = False
    answer_lost: bool = False

    @property
    def key(self) -> str:
        """Method and route template, as in `POST /channels/{channel_id}/messages`."""
        return f"{self.method} {self.route}"


class RequestLog(list[Request]):
    """The requests, oldest first."""

    def to(self, key: str, **parameters: object) -> list[Request]:
        """Requests to one `METHOD /route/{template}`; `parameters` narrow by values in the path."""
        wanted = {str(value) for value in parameters.values()}
        return [one for one in self if one.key == key and wanted <= set(one.path.split("/"))]

    def that(self, predicate: Callable[[Request], bool]) -> list[Request]:
        return [one for one in self if predicate(one)]
