"""Routes on turns: read them, send prompts, order the queue, stop, continue, ask again, branch."""

from collections.abc import Sequence

import msgspec

import api as c
from api.words.checkpoints import put_back_question
from sessions.model import Attachment, TurnKind
from web.principals import Scope
from web.problems import Refused
from web.routing import Call, Count, Most, Route, Words, ordinal_of
from web.session_view import SessionView, session_view

_RECENT = 20


class PageQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """`before` asks for turns older than that number."""

    before: Count | None = None
    limit: Most = 20


class NewMessage(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A prompt; with `front` it is the next one. `attachments` were stored before, see `put_attachment`."""

    content: Words
    front: bool = False
    attachments: tuple[Attachment, ...] = ()


class NewText(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The new text of a waiting prompt."""

    content: Words


class ClaudeCommand(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One of Claude's own slash commands, without the slash."""

    name: Words
    arguments: str = ""


class RewindWish(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """With `dryRun` no file changes."""

    # A call that leaves it out changes no file.
    dry_run: bool = True


class Rewound(msgspec.Struct, frozen=True, rename="camel"):
    """Files that were put back if `done`, or would be; `question` is for a person. `refused`: why they stay."""

    paths: tuple[str, ...]
    insertions: int
    deletions: int
    done: bool
    refused: str = ""
    question: str = ""


class RegenerateQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """`putBack` is the last prompt's turn: the files that it changed are put back first."""

    put_back: str = ""


class BranchWish(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The turn to branch from; the last one if it is left out. With `own_copy` it gets files of its own."""

    turn_id: str | None = None
    title: str = ""
    own_copy: bool = True


async def read_turns(call: Call) -> c.TurnPage:
    """Read a page of turns, newest first, as of one moment; long results of tools are cut."""
    query: PageQuery = call.query
    return await call.perform(c.ReadTurns(session_id=call.session_id, before=query.before, limit=query.limit))


async def read_turn(call: Call) -> c.TurnView:
    """Read one turn, whole."""
    # Only one turn, so long results of its tools need not be cut as on a page of turns.
    return await call.perform(c.ReadTurn(session_id=call.session_id, turn_id=call.place("turn_id"), whole=True))


async def read_timing(call: Call) -> c.TurnTiming:
    """Tell where the time of a turn went: in line, waking, until the first sign, in tools, for people."""
    return await call.perform(c.ReadTiming(session_id=call.session_id, turn_id=call.place("turn_id")))


async def read_block(call: Call) -> c.PlacedBlock:
    """Read one block of a turn, whole."""
    turn_id, ordinal = call.place("turn_id"), ordinal_of(call)
    return await call.perform(c.ReadBlock(session_id=call.session_id, turn_id=turn_id, ordinal=ordinal))


async def send_message(call: Call) -> c.Accepted:
    """Send a prompt. It waits in the queue while Claude works."""
    wish: NewMessage = call.body
    return await call.perform(
        c.SendMessage(
            session_id=call.session_id,
            content=wish.content,
            origin=call.origin,
            attachments=wish.attachments,
            front=wish.front,
        )
    )


async def run_command(call: Call) -> c.Accepted:
    """Run one of Claude's own slash commands, such as `compact`."""
    wish: ClaudeCommand = call.body
    return await call.perform(
        c.RunCommand(session_id=call.session_id, name=wish.name, arguments=wish.arguments, origin=call.origin)
    )


async def continue_session(call: Call) -> c.Accepted:
    """Continue a turn that was cut, or ask Claude to continue."""
    return await call.perform(c.Continue(session_id=call.session_id, origin=call.origin))


async def look_closer(call: Call) -> c.Accepted:
    """Have Claude survey the project in a turn that changes nothing; new conversations are told its answer."""
    return await call.perform(c.LookCloser(session_id=call.session_id, origin=call.origin))


async def rewind(call: Call) -> Rewound:
    """Put back the files that a session changed in a turn and later; with `dryRun` only tell which."""
    wish: RewindWish = call.body
    command = c.RewindFiles(session_id=call.session_id, turn_id=call.place("turn_id"), dry_run=wish.dry_run)
    changed = await call.perform(command)
    question = put_back_question(changed) if changed.paths and not changed.done else ""
    facts = (changed.paths, changed.insertions, changed.deletions, changed.done)
    return Rewound(*facts, changed.refused, question)


async def regenerate(call: Call) -> c.Accepted:
    """Ask the last prompt again; the earlier answer stays readable."""
    query: RegenerateQuery = call.query
    if query.put_back:
        # Files first: a kill in between leaves them put back and asks nothing, and the same request goes on.
        await _put_back(call, query.put_back)
    return await call.perform(c.Regenerate(session_id=call.session_id, origin=call.origin))


async def _put_back(call: Call, turn_id: str) -> None:
    """Put back the files of the last prompt's answer. Nothing to do if this act has asked again already."""
    newest = await call.perform(c.ReadTurns(session_id=call.session_id, limit=_RECENT, with_blocks=False))
    last = next((each.turn for each in newest.turns if each.turn.kind is TurnKind.PROMPT), None)
    # The request came again after its prompt was queued: files that Claude changes now must not be put back.
    if last is not None and last.origin == call.origin:
        return
    if last is None or last.id != turn_id:
        # An unknown turn raises here; a known one has been followed by another prompt.
        await call.perform(c.ReadTurn(session_id=call.session_id, turn_id=turn_id, with_blocks=False))
        raise Refused(409, "turn_outdated", "Another prompt came since then; nothing was changed.")
    command = c.RewindFiles(session_id=call.session_id, turn_id=turn_id, dry_run=False)
    changed = await call.perform(command)
    if changed.refused:
        raise Refused(409, "files_kept", changed.refused)


async def interrupt(call: Call) -> c.Stopped:
    """Stop the turn that runs."""
    return await call.perform(c.Interrupt(session_id=call.session_id))


async def try_now(call: Call) -> c.Nothing:
    """Send the next prompt although a usage limit was reported."""
    return await call.perform(c.TryNow(session_id=call.session_id))


async def branch(call: Call) -> SessionView:
    """Make a session of your own that goes on from a turn; this one stays as it is."""
    wish: BranchWish = call.body
    command = c.Branch(
        session_id=call.session_id,
        # A session that began in the browser has no place in Discord.
        channel_id="web",
        # The act's name is the place, so the same request sent again finds the same branch.
        key=call.origin,
        turn_id=wish.turn_id,
        title=wish.title,
        own_copy=wish.own_copy,
    )
    return session_view(await call.perform(command))


async def go_on_from(call: Call) -> SessionView:
    """Let the next prompt follow this answer, if the last prompt has several."""
    command = c.GoOnFrom(session_id=call.session_id, turn_id=call.place("turn_id"))
    return session_view(await call.perform(command))


async def edit_queued(call: Call) -> c.Nothing:
    """Replace the text of a waiting prompt."""
    wish: NewText = call.body
    return await call.perform(
        c.EditQueued(session_id=call.session_id, turn_id=call.place("turn_id"), content=wish.content)
    )


async def withdraw_queued(call: Call) -> c.Nothing:
    """Withdraw a waiting prompt."""
    return await call.perform(c.WithdrawQueued(session_id=call.session_id, turn_id=call.place("turn_id")))


async def move_to_front(call: Call) -> c.Nothing:
    """Make a waiting prompt the next one."""
    return await call.perform(c.MoveToFront(session_id=call.session_id, turn_id=call.place("turn_id")))


async def send_now(call: Call) -> c.Nothing:
    """Stop the running turn and send a waiting prompt."""
    return await call.perform(c.SendNow(session_id=call.session_id, turn_id=call.place("turn_id")))


_ONE = "/api/sessions/{session_id}"
_QUEUED = f"{_ONE}/queue/{{turn_id}}"
ROUTES: Sequence[Route] = (
    Route("GET", f"{_ONE}/turns", read_turns, query=PageQuery, reply=c.TurnPage),
    Route("GET", f"{_ONE}/turns/{{turn_id}}", read_turn, reply=c.TurnView),
    Route("GET", f"{_ONE}/turns/{{turn_id}}/blocks/{{ordinal}}", read_block, reply=c.PlacedBlock),
    Route("GET", f"{_ONE}/turns/{{turn_id}}/timing", read_timing, reply=c.TurnTiming),
    Route("POST", f"{_ONE}/messages", send_message, Scope.OPERATE, NewMessage, reply=c.Accepted, status=202),
    Route("POST", f"{_ONE}/commands", run_command, Scope.OPERATE, ClaudeCommand, reply=c.Accepted, status=202),
    Route("POST", f"{_ONE}/look", look_closer, Scope.OPERATE, reply=c.Accepted, status=202),
    Route("POST", f"{_ONE}/continue", continue_session, Scope.OPERATE, reply=c.Accepted, status=202),
    Route(
        "POST",
        f"{_ONE}/regenerate",
        regenerate,
        Scope.OPERATE,
        query=RegenerateQuery,
        reply=c.Accepted,
        status=202,
    ),
    Route("POST", f"{_ONE}/turns/{{turn_id}}/rewind", rewind, Scope.OPERATE, RewindWish, reply=Rewound),
    Route("POST", f"{_ONE}/interrupt", interrupt, Scope.OPERATE, reply=c.Stopped),
    Route("POST", f"{_ONE}/try-now", try_now, Scope.OPERATE),
    Route("POST", f"{_ONE}/branch", branch, Scope.OPERATE, BranchWish, reply=SessionView, status=201),
    Route("POST", f"{_ONE}/turns/{{turn_id}}/go-on", go_on_from, Scope.OPERATE, reply=SessionView),
    Route("PATCH", _QUEUED, edit_queued, Scope.OPERATE, NewText),
    Route("DELETE", _QUEUED, withdraw_queued, Scope.OPERATE),
    Route("POST", f"{_QUEUED}/front", move_to_front, Scope.OPERATE),
    Route("POST", f"{_QUEUED}/now", send_now, Scope.OPERATE),
)
