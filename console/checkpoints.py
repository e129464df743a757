"""Checkpoints in the terminal: the list with its numbers, changes, and a restore in two steps."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import assert_never

import api as c
from api.access import Actor
from api.words.checkpoints import (
    about,
    cautions,
    change_line,
    head_words,
    left_lines,
    preview_words,
    step_lines,
)
from console import commands as slash
from console.screen import Screen

_LISTED = 30
_LINES = 20


class TypedCheckpoints:
    """Carries out `/checkpoint` commands. Remembers the last list, and the preview that waits for its yes."""

    def __init__(self, actor: Actor, screen: Screen) -> None:
        self._actor = actor
        self._screen = screen
        self._listed: Sequence[c.CheckpointInfo] = ()
        self._previewed: c.RestorePreview | None = None

    async def do(
        self, core: c.Core, session_id: str, command: slash.ListCheckpoints | slash.WithCheckpoint
    ) -> None:
        """Carry out one command. Raises the core's errors."""
        if isinstance(command, slash.ListCheckpoints):
            await self._list(core, session_id)
            return
        if not 1 <= command.number <= len(self._listed):
            self._screen.remark("There is no such number. /checkpoint list prints the list.")
            return
        chosen = self._listed[command.number - 1]
        match command.act:
            case slash.CheckpointAct.SHOW:
                await self._show(core, session_id, command.number, chosen)
            case slash.CheckpointAct.COMPARE:
                compare = c.CompareCheckpoints(session_id=session_id, checkpoint_id=chosen.id)
                self._say_changes(await core.perform(self._actor, compare))
            case slash.CheckpointAct.RESTORE:
                await self._restore(core, session_id, command, chosen)
            case _:
                assert_never(command.act)

    async def _list(self, core: c.Core, session_id: str) -> None:
        page = await core.perform(self._actor, c.ListCheckpoints(session_id=session_id, limit=_LISTED))
        self._listed = page.checkpoints
        # The numbers mean other checkpoints from here on.
        self._previewed = None
        lines = [f"{n:>3}  {_time(each)}  {about(each)}" for n, each in enumerate(page.checkpoints, start=1)]
        self._say(lines or ["There are no checkpoints yet."])

    async def _show(self, core: c.Core, session_id: str, number: int, chosen: c.CheckpointInfo) -> None:
        for sentence in cautions(chosen):
            self._screen.remark(sentence)
        if number == len(self._listed):
            self._screen.remark(f"{about(chosen)}. There is no earlier one in the list to compare it with.")
            return
        before = self._listed[number]
        wish = c.CompareCheckpoints(session_id=session_id, checkpoint_id=before.id, with_id=chosen.id)
        self._say_changes(await core.perform(self._actor, wish))

    async def _restore(
        self, core: c.Core, session_id: str, command: slash.WithCheckpoint, chosen: c.CheckpointInfo
    ) -> None:
        # Used up by one yes: a second one needs a new preview.
        seen, self._previewed = self._previewed, None
        if seen is not None and seen.checkpoint.id == chosen.id and seen.steps:
            wish = c.RestoreFiles(
                # The preview's digest: if files have changed since, the core refuses instead of doing something
                # else.
                session_id=session_id,
                checkpoint_id=chosen.id,
                scope=seen.scope,
                digest=seen.digest,
            )
            # The notice of the restore says how many; it comes to everybody who follows the session.
            result = await core.perform(self._actor, wish)
            self._say(_some(left_lines(result.left), len(result.left)))
            return
        ask = c.PreviewRestore(session_id=session_id, checkpoint_id=chosen.id, scope=command.scope)
        preview = await core.perform(self._actor, ask)
        self._previewed = preview
        total = preview.creates + preview.changes + preview.deletes
        lines = [preview_words(preview), *_some(step_lines(preview, session_id), total)]
        lines += _some(left_lines(preview.left), preview.kept)
        if head := head_words(preview):
            lines.append(head)
        if preview.steps:
            lines.append(f"Type /checkpoint restore {command.number} once more to do it.")
        self._say(lines)

    def _say_changes(self, comparison: c.Comparison) -> None:
        lines = _some(map(change_line, comparison.changes), comparison.total)
        self._say(lines or ["No file differs."])

    def _say(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._screen.remark(line)


def _some(lines: Iterable[str], total: int) -> list[str]:
    shown = [f"  {line}" for line in list(lines)[:_LINES]]
    return [*shown, f"  and {total - len(shown)} more"] if total > len(shown) else shown


def _time(checkpoint: c.CheckpointInfo) -> str:
    return datetime.fromtimestamp(checkpoint.made_ms / 1000).astimezone().strftime("%d %b %H:%M:%S")
