"""The view: brings each session's channel to what it should show, and keeps it there.

Answers for which posts a session has and when they are brought up to date. What a post says is in `render.py`
and `cards.py`, how it gets to Discord in `pump.py`. There is one path: events of the core mark what changed,
live or read back after a start, and what is marked is rendered, compared with the posts, and sent.

For the other half of the face (commands, clicks, inbox):

- After creating a session: write its `places` row, then `await view.show(place)`. Nothing else is needed:
  status card, queue posts, answers, ask cards and notices come by themselves.
- A click that changes the core needs no call here; the events of the core do it. A click that changes what the
  face remembers (`choices`, see `picked_fact`) calls `view.changed(session_id)`.
- Interactions acknowledge with a bare `defer()`; messages of the view are edited by the view only. If one was
  edited otherwise, `await view.refresh_post(message_id)` puts it right.
- `discord_bodies.message_kwargs(body)` gives what `send`, `response.send_message` or `followup.send` need to
  show a `Body`, without registering a view object.
"""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

import discord

from bot.rows import Place
from sessions.bus import Bus
from sessions.clock import Clock, SystemClock
from sessions.commands import Core
from storage import Database


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """How the view behaves; times in seconds."""

    default_model: str = ""
    edit_interval_s: float = 1.25
    typing_interval_s: float = 7.5
    ping_after_s: float = 30.0
    queue_post_after_s: float = 1.0


def picked_fact(ask_id: str) -> str:
    """The name of the `face_facts` row with the choices made so far on a question card.

    Its value is JSON: question number → list of answers in words, for example `{"0": ["Blue"]}`.
    """
    return f"picked:{ask_id}"


def chosen_fact(root_turn: str) -> str:
    """The name of the `face_facts` row with the alternative that is shown: its value is a turn id."""
    return f"alternative:{root_turn}"


class View:
    """Shows sessions in Discord from `__aenter__` to `__aexit__`; enter it when the client is logged in."""

    def __init__(
        self,
        client: discord.Client,
        core: Core,
        bus: Bus,
        db: Database,
        *,
        options: ViewOptions = ViewOptions(),
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self._core = core
        self._bus = bus
        self._db = db
        self._options = options
        self._clock = clock or SystemClock()

    async def __aenter__(self) -> Self:
        """Listen to the core, and bring every place up to date that fell behind (in the background)."""
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; what is not sent yet is sent by the next start."""
        raise NotImplementedError

    async def show(self, place: Place) -> None:
        """Show the session of `place` (whose row is stored) from now on; returns at once."""
        raise NotImplementedError

    def changed(self, session_id: str) -> None:
        """Something that no event tells of has changed: render the session's posts again."""
        raise NotImplementedError

    async def refresh_post(self, message_id: int) -> None:
        """Somebody else edited this message: show again what it should show."""
        raise NotImplementedError

    async def choose_alternative(self, session_id: str, root_turn: str, turn_id: str) -> None:
        """Show the alternative `turn_id` in the posts of the last answer of its group; stored."""
        raise NotImplementedError

    async def settled(self, session_id: str | None = None) -> None:
        """Wait until everything that should be in Discord is there, for one session or for all."""
        raise NotImplementedError
