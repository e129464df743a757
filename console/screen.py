"""The terminal: prints above, a few lines that change below, and the keys. Knows no core.

People's input comes out of `wishes`, and Ctrl-C while Claude works out of `interrupted`; output goes in through
`show` and `print`. Printed text belongs to the terminal: people can scroll and copy it, also after leaving.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from prompt_toolkit.application import Application, run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    Dimension,
    FormattedTextControl,
    HSplit,
    Layout,
    Window,
)
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.output import create_output
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.styles import Style

from console.asks import AskForm
from console.live import STYLE, Growing, activity_lines, option_lines, status_line
from console.render import render_line
from console.view import View
from sessions.model import Ask, Decision
from texts.os_text import clean

_TWICE_S = 2.0
_TICK_S = 0.25
_INPUT_LINES = 8
_WISHES = 1_000


@dataclass(frozen=True, slots=True)
class Typed:
    """One or more lines that the person has sent."""

    text: str


@dataclass(frozen=True, slots=True)
class Decided:
    """An ask was answered at the keyboard."""

    ask: Ask
    decision: Decision


@dataclass(frozen=True, slots=True)
class Left:
    """The person wants to leave, or the terminal was closed."""


Wish = Typed | Decided | Left


class Screen:
    """Draws while it is entered. Text given to `print` and `say` before is shown on entry."""

    def __init__(self, *, is_demo: bool) -> None:
        self.wishes: asyncio.Queue[Wish] = asyncio.Queue(_WISHES)
        self.interrupted = asyncio.Event()
        self._is_demo = is_demo
        self._view: View | None = None
        self._growing: tuple[Growing, ...] = ()
        self._form: AskForm | None = None
        self._draft = ""
        self._pressed_at = -_TWICE_S
        self._tick = 0
        self._said: list[str] = []
        self._buffer = Buffer(multiline=True, history=InMemoryHistory())
        self._app = self._make_app()
        self._running: asyncio.Task[None] | None = None
        self._ticking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run(), name="screen")
        self._ticking = asyncio.create_task(self._tick_on(), name="screen ticker")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._running is not None
        assert self._ticking is not None
        self._ticking.cancel()
        with suppress(asyncio.CancelledError):
            await self._ticking
        await self._flush()
        if self._app.is_running:
            self._app.exit()
        await self._running

    @property
    def columns(self) -> int:
        """The present width of the terminal."""
        return self._app.output.get_size().columns

    def show(self, view: View | None, growing: tuple[Growing, ...] = ()) -> None:
        """Draw this view from now on."""
        self._view = view
        self._growing = growing
        self._open_form(view.asks[0] if view is not None and view.asks else None)
        self._app.invalidate()

    def remark(self, sentence: str) -> None:
        """Queue a remark of the bridge for printing."""
        self.say(render_line(f"· {sentence}", "dim", self.columns))

    async def print(self, text: str) -> None:
        """Print `text` (ANSI styles, whole lines) above the changing part; return when that is done."""
        self.say(text)
        await self._flush()

    def say(self, text: str) -> None:
        """Queue `text` for printing."""
        if text:
            self._said.append(text)

    async def _flush(self) -> None:
        if self._said:
            text, self._said = "".join(self._said), []
            output = self._app.output

            def write() -> None:
                # Raw mode: a newline alone goes down and not to the left.
                output.write_raw(text.replace("\n", "\r\n"))
                output.flush()

            await run_in_terminal(write)

    async def _run(self) -> None:
        try:
            await self._app.run_async()
        except EOFError:
            pass  # the terminal is gone
        finally:
            with suppress(asyncio.QueueFull):
                self.wishes.put_nowait(Left())

    async def _tick_on(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            await self._flush()
            if self._view is not None and (self._view.is_busy or self._view.tools):
                self._tick += 1
                self._app.invalidate()

    def _open_form(self, ask: Ask | None) -> None:
        """Let the keys answer `ask`; keep the unfinished input until then."""
        if ask is None and self._form is not None:
            self._form = None
            self._buffer.text = self._draft
            self._buffer.cursor_position = len(self._draft)
        # The same ask keeps its form: each event redraws, and must not move the cursor or clear the answers.
        elif ask is not None and (self._form is None or self._form.ask.id != ask.id):
            if self._form is None:
                self._draft = self._buffer.text
            self._form = AskForm(ask)
            self._buffer.reset()

    # --- drawing ----------------------------------------------------------------------------------------

    def _make_app(self) -> Application[None]:
        output = create_output()
        if isinstance(output, Vt100_Output):
            # The cursor position is not needed, and prompt_toolkit warns if a terminal cannot report it.
            output.enable_cpr = False
        asks = Condition(lambda: self._form is not None)
        input_line = Window(
            BufferControl(self._buffer, input_processors=[BeforeInput(self._prompt_sign)]),
            height=Dimension(min=1, max=_INPUT_LINES),
            wrap_lines=True,
            dont_extend_height=True,
        )
        activity = Window(FormattedTextControl(self._activity), dont_extend_height=True)
        options = Window(FormattedTextControl(self._options), wrap_lines=True, dont_extend_height=True)
        has_activity = Condition(lambda: bool(self._activity()))
        layout = HSplit(
            [
                ConditionalContainer(activity, has_activity),
                ConditionalContainer(options, asks),
                Window(height=1, char="─", style="class:dim"),
                input_line,
                Window(FormattedTextControl(self._status), height=1),
            ]
        )
        return Application(
            layout=Layout(layout, focused_element=input_line),
            key_bindings=self._keys(),
            style=Style.from_dict(STYLE),
            output=output,
            # The changing part is no part of what stays on the terminal.
            erase_when_done=True,
            # With it, people could not select and copy with their mouse.
            mouse_support=False,
        )

    def _prompt_sign(self) -> StyleAndTextTuples:
        return [("class:prompt", "❯ ")]

    def _activity(self) -> StyleAndTextTuples:
        if self._view is None:
            return []
        size = self._app.output.get_size()
        return [*activity_lines(self._view, self._growing, (size.columns, size.rows), self._tick)]

    def _options(self) -> StyleAndTextTuples:
        return [*option_lines(self._form, self.columns)] if self._form is not None else []

    def _status(self) -> StyleAndTextTuples:
        if time.monotonic() - self._pressed_at < _TWICE_S:
            return [("class:trouble", "Press Ctrl-C again to leave. Claude goes on working.")]
        now_ms = time.time_ns() // 1_000_000
        return [*status_line(self._view, self._buffer.text, now_ms, is_demo=self._is_demo)]

    # --- keys -------------------------------------------------------------------------------------------

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        # Where nothing can be chosen, digits and spaces are typed.
        choosing = Condition(lambda: bool(self._form and self._form.options) and not self._buffer.text)

        keys.add("enter")(lambda _: self._enter())
        keys.add("escape", "enter")(lambda event: event.current_buffer.insert_text("\n"))
        keys.add("c-j")(lambda event: event.current_buffer.insert_text("\n"))
        keys.add("c-c")(lambda _: self._interrupt())
        keys.add("<sigint>")(lambda _: self._interrupt())
        keys.add("c-d")(self._end_of_input)
        keys.add("c-l")(lambda event: event.app.renderer.clear())
        keys.add("up", filter=choosing)(lambda _: self._move(-1))
        keys.add("down", filter=choosing)(lambda _: self._move(1))
        keys.add("space", filter=choosing)(lambda _: self._tick_option())
        for digit in "123456789":
            keys.add(digit, filter=choosing & self._has_option(int(digit)))(
                lambda event: self._press(int(event.data))
            )
        return keys

    def _has_option(self, number: int) -> Condition:
        """Whether the digit `number` chooses. Others are typed, else Enter would take an option."""
        return Condition(lambda: self._form is not None and number <= len(self._form.options))

    def _enter(self) -> None:
        text = clean(self._buffer.text)  # a terminal sends any bytes
        if self._form is not None:
            self._buffer.reset()
            self._settle(self._form.entered(text))
        elif text.strip():
            self._buffer.reset(append_to_history=True)
            self._wish(Typed(text))

    def _move(self, step: int) -> None:
        if self._form is not None:
            self._form = self._form.moved(step)

    def _tick_option(self) -> None:
        if self._form is not None and self._form.takes_many:
            self._press(self._form.cursor + 1)

    def _press(self, number: int) -> None:
        if self._form is not None:
            self._settle(self._form.pressed(number))

    def _settle(self, result: AskForm | Decision) -> None:
        form = self._form
        if isinstance(result, AskForm):
            self._form = result
        elif form is not None:
            self._wish(Decided(form.ask, result))

    def _interrupt(self) -> None:
        view = self._view
        if view is not None and (view.is_busy or view.asks):
            self.interrupted.set()
        elif self._buffer.text:
            self._buffer.reset()
        elif time.monotonic() - self._pressed_at < _TWICE_S:
            self._wish(Left())
        else:
            self._pressed_at = time.monotonic()

    def _end_of_input(self, event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.delete()
        else:
            self._wish(Left())

    def _wish(self, wish: Wish) -> None:
        # The queue is full only if somebody holds a key down while the core does not answer: drop the input.
        with suppress(asyncio.QueueFull):
            self.wishes.put_nowait(wish)
