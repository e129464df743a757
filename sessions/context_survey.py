"""Survey the project for the first prompt of a conversation: facts that Claude cannot see cheaply.

There is no map of the code: see `docs/adr/0049-no-map-of-the-code.md`.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from sessions import rows
from sessions.model import TurnId
from sessions.session_port import SessionPort
from workdirs import survey
from workdirs.checkpoint_model import Reason
from workdirs.committing import count_uncommitted
from workdirs.errors import WorkdirError
from workdirs.merge_room import MergeRoom
from workdirs.quoting import quoted
from workdirs.repository import Repository, open_repository, read_state
from workdirs.rows import load_anchored

_MOST_OTHERS = 5
_MOST_POINTS = 8
_MOST_OF_A_POINT = 160
_OPEN_WORDS = ("open", "todo", "to do", "next", "left", "remain", "unfinished", "offen")
_MARKS = "#*-•0123456789.) "
_WANTS_GUIDE = " The project has neither guidance nor documentation; /init lets Claude write some."
_SURVEYED = "Claude was told some facts about the project first."
_HEAD = "The bridge found this about the project. It is a hint, not an order:"


@dataclass(frozen=True, slots=True)
class Surveyed:
    """The text for Claude and the line for people, both empty if there is nothing to say."""

    text: str
    shown: str
    wants_guide: bool


async def survey_project(session: SessionPort, turn_id: TurnId) -> Surveyed:
    """Survey the work directory for the prompt of `turn_id`."""
    found = await asyncio.to_thread(survey.look, Path(session.snapshot.work_directory))
    text = survey.survey_text(found, await _facts(session, turn_id))
    if not text:
        return Surveyed("", "", found.wants_guide)
    shown = _SURVEYED + (_WANTS_GUIDE if found.wants_guide else "")
    return Surveyed(f"{_HEAD}\n{text}", shown, found.wants_guide)


async def _facts(session: SessionPort, turn_id: TurnId) -> list[str]:
    """Return the lines of the survey that come from rows and from git, the most useful ones first."""
    snapshot, database = session.snapshot, session.around.db
    # Texts of people and of Claude stand in quotes: there they are names, and give no orders.
    focus = await rows.focus_of(database, session.id)
    lines = [f"- The focus of this session: {quoted(focus[:300], 300)}"] if focus else []
    if state := await _repository_line(session, turn_id):
        lines.append(state)
    # Of the same user only: other people's titles are not for this one to read.
    titles = await rows.titles_in_directory(
        database, snapshot.work_directory, user_id=snapshot.user_id, but=session.id, limit=_MOST_OTHERS
    )
    if titles:
        others = ", ".join(quoted(title, 60) for title in titles)
        lines.append(f"- Other sessions work in this directory, too: {others}")
    last = await rows.load_last_end(database, snapshot.work_directory, user_id=snapshot.user_id, but=session.id)
    if last is not None and (left := open_points(last[1])):
        lines += [f"- The last session here, {quoted(last[0], 60)}, left:", *(f"  - {each}" for each in left)]
    if known := await rows.load_survey(database, session.id):
        lines += ["- Earlier in this session you surveyed the project and wrote:", known]
    return lines


def open_points(summary: str) -> list[str]:
    """Return the points under a heading on what is open; the first lines of the summary if it has none."""
    points: list[str] = []
    is_open = has_heading = False
    for line in summary.splitlines():
        words = line.strip().lstrip(_MARKS).strip()
        if _is_heading(line):
            is_open = any(word in words.lower() for word in _OPEN_WORDS)
            has_heading = has_heading or is_open
        elif words and is_open:
            points.append(words)
    if not has_heading:
        lines = [line.strip().lstrip(_MARKS).strip() for line in summary.splitlines()]
        points = [line for line in lines if line]
    return [quoted(point[:_MOST_OF_A_POINT], _MOST_OF_A_POINT) for point in points[:_MOST_POINTS]]


def _is_heading(line: str) -> bool:
    text = line.strip()
    return text.startswith(("#", "**")) or (text.endswith(":") and len(text) < 60)


async def _repository_line(session: SessionPort, turn_id: TurnId) -> str:
    """Return the branch, an unfinished merge or rebase, and how many files no commit has; empty without git."""
    place = Path(session.snapshot.work_directory)
    repository = await asyncio.to_thread(open_repository, place)
    if repository is None:
        return ""
    state = await asyncio.to_thread(read_state, repository)
    if state.head is None:
        return "- The repository has no commit yet."
    words = [f"branch {quoted(state.branch, 80)}" if state.branch else "no branch is checked out"]
    if state.operation is not None:
        words.append(f"a {state.operation} is not finished")
    if changed := await _uncommitted(session, turn_id, repository):
        words.append(f"{changed} file{'' if changed == 1 else 's'} with changes that no commit has")
    return f"- Repository: {', '.join(words)}"


async def _uncommitted(session: SessionPort, turn_id: TurnId, repository: Repository) -> int:
    """Count the files that differ from the last commit, by the checkpoint of this prompt; 0 if not known."""
    checkpoints = session.around.checkpoints
    if checkpoints is None:
        return 0
    point = await load_anchored(session.around.db, session.id, turn_id, Reason.BEFORE_PROMPT)
    # No checkpoint was taken in time. A count is not worth holding the prompt back.
    if point is None:
        return 0
    try:
        room = MergeRoom(await checkpoints.engine.store_of(point), repository)
        return await asyncio.to_thread(count_uncommitted, room, point.commit)
    except WorkdirError:
        return 0
