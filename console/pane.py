"""Turns a host's output lines into readable text for a pane; the text is only ever appended to. Pure.

People only read panes; they answer and prompt in a face.
"""

from collections.abc import Iterator

from api.words.asks import line_words
from console.text import clean, one_line
from console.tools import output_words, tool_name, tool_words
from sessions.claude import lines as c
from sessions.content import ask_body

_WIDTH = 100
_DIM, _BOLD, _RED, _GREEN, _YELLOW, _CYAN, _OFF = (
    f"\x1b[{code}m" for code in ("2", "1", "31", "32", "33", "36", "0")
)


class Pane:
    """Turns lines into pieces of text to print. Remembers open blocks and unfinished lines."""

    def __init__(self) -> None:
        self._tools: dict[str, str] = {}
        self._streamed = ""
        self._at_line_start = True

    def show(self, line: c.CliLine) -> str:
        """Return the text that `line` adds to the screen; often empty."""
        return "".join(self._pieces(line))

    def _pieces(self, line: c.CliLine) -> Iterator[str]:
        match line:
            case c.PromptEchoed(text=text):
                indented = clean(text).strip().replace("\n", "\n  ")
                yield self._whole(f"\n{_CYAN}{_BOLD}❯{_OFF} {_BOLD}{indented}{_OFF}\n")
            # Subagents write at the same time: their text in between would tear Claude's own apart.
            case c.BlockDelta(kind="text" | "thinking", parent=None):
                yield from self._delta(line)
            case c.AssistantBlocks(parent=None, error=None):
                for block in line.blocks:
                    yield from self._block(block)
            case c.ToolResults():
                for result in line.results:
                    yield self._result(result)
            # A pane takes nothing back: it can only say that the text above does not count.
            case c.MessageStopped(parent=None, abandoned_from=int()):
                yield self._note("what was written last is void")
                self._streamed = ""
            # No block is open between two messages. If one is, the connection broke and the CLI repeats the
            # call.
            case c.MessageStarted(parent=None) if self._streamed:
                yield self._note("tried again")
                self._streamed = ""
            case c.TurnResult():
                yield self._result_of_turn(line)
            case _:
                yield from self._other(line)

    def _other(self, line: c.CliLine) -> Iterator[str]:
        match line:
            case c.PermissionAsked():
                words = tool_words(line.tool_name, line.input, _WIDTH)
                yield self._ask(f"May Claude use {tool_name(line.tool_name)}? {words}")
            case c.QuestionAsked():
                yield self._ask("; ".join(one_line(each.text, _WIDTH) for each in line.questions))
            case c.PlanAsked():
                yield self._ask("Shall Claude go on with its plan?")
            case c.PersonAsked():
                yield self._ask(one_line(line_words(ask_body(line, "")), _WIDTH))
            # The CLI prints our answers too (`--replay-user-messages`), so the pane shows what a face decided.
            case c.AnswerEchoed(behavior=str(behavior)) if behavior:
                yield self._note(f"answered: {one_line(behavior, 20)}")
            case c.ApiRetry():
                yield self._note(f"Claude's servers said no ({line.status or 'no answer'}); trying again")
            case c.Compacted():
                yield self._note(f"compacted from {line.tokens_before:,} to {line.tokens_after:,} tokens")
            case _:
                return

    def _delta(self, line: c.BlockDelta) -> Iterator[str]:
        text = clean(line.text)
        if not text:
            return
        if self._streamed != line.kind:
            yield self._whole("\n")
            self._streamed = line.kind
        self._at_line_start = text.endswith("\n")
        yield f"{_DIM}{text}{_OFF}" if line.kind == "thinking" else text

    def _block(self, block: c.ContentBlock) -> Iterator[str]:
        match block:
            case c.TextBlock(text=text) | c.ThinkingBlock(text=text):
                # The whole block comes after its pieces. It is printed only if none of them was.
                if not self._streamed and text:
                    yield self._whole(f"\n{clean(text)}")
                self._streamed = ""
                yield self._whole("")
            case c.ToolUseBlock():
                words = tool_words(block.name, block.input, _WIDTH)
                self._tools[block.tool_use_id] = block.name
                yield self._whole(f"\n{_BOLD}● {tool_name(block.name)}{_OFF} {words}\n")
            case c.OtherBlock():
                return

    def _result(self, result: c.ToolResult) -> str:
        # Results of subagents' calls come here too, and of calls before the part that is shown.
        if self._tools.pop(result.tool_use_id, None) is None:
            return ""
        mark = f"{_RED}✗" if result.is_error else f"{_GREEN}✓"
        return self._whole(f"  {mark}{_OFF} {_DIM}{output_words(result.text, _WIDTH)}{_OFF}\n")

    def _result_of_turn(self, line: c.TurnResult) -> str:
        # Asked before `is_error`: the CLI reports some interrupts as errors and some as successes.
        if line.terminal_reason.startswith("aborted"):
            how = f"{_YELLOW}interrupted"
        elif line.is_error:
            how = f"{_RED}failed: {one_line(line.text, _WIDTH)}"
        else:
            how = "done"
        self._streamed = ""
        return self._whole(f"\n{_DIM}── {how} · {line.duration_ms / 1000:.1f} s{_OFF}\n")

    def _ask(self, words: str) -> str:
        return self._whole(
            f"\n{_YELLOW}{_BOLD}?{_OFF} {words}\n{_DIM}  It waits for an answer in a face.{_OFF}\n"
        )

    def _note(self, words: str) -> str:
        return self._whole(f"{_DIM}  · {words}{_OFF}\n")

    def _whole(self, text: str) -> str:
        """Return `text`, preceded by a line end if the last line is unfinished."""
        before = "" if self._at_line_start else "\n"
        self._at_line_start = not text or text.endswith("\n")
        return before + text
