"""Which of Claude's own slash commands a conversation offers, and the refusal of others.

Claude Code sends an unknown command to the model as text. The list comes with the first answer of a process, so
a command that was typed earlier is checked when it is its turn.
"""

from sessions import events as e
from sessions.model import TurnKind, TurnStatus
from sessions.rows import load_turn
from sessions.session_port import SessionPort
from sessions.snapshot import Snapshot

_OF_SERVER = "mcp__"


def is_offered(snapshot: Snapshot, name: str) -> bool:
    """Whether the conversation offers the command, as far as is known.

    Before the first turn, MCP servers may still be starting: their commands are let through.
    """
    unlisted = not snapshot.commands or (snapshot.last_turn is None and name.startswith(_OF_SERVER))
    return unlisted or name in snapshot.commands


def no_such_command(snapshot: Snapshot, name: str) -> str:
    """Return the sentence for a command that is not offered, with the offered one that is most like it."""
    from difflib import get_close_matches

    near = get_close_matches(name, snapshot.commands, n=1, cutoff=0.75)
    hint = f"Do you mean /{near[0]}?" if near else "/help lists the commands."
    return f"There is no command /{name} here. {hint}"


def a_command_waits(snapshot: Snapshot) -> bool:
    """Whether one of Claude's own commands is sent next."""
    return bool(snapshot.queue) and snapshot.queue[0].kind is TurnKind.COMMAND


async def refuse_unoffered(session: SessionPort) -> bool:
    """End the next turn if it is a command that Claude does not offer; return whether it was."""
    waiting = session.snapshot.queue[0]
    turn = await load_turn(session.around.db, waiting.turn_id)
    name = turn.prompt.removeprefix("/").partition(" ")[0]
    if is_offered(session.snapshot, name):
        return False
    async with session.change() as draft:
        # Somebody may have withdrawn it while its text was read.
        if waiting in draft.snapshot.queue:
            reason = no_such_command(draft.snapshot, name)
            draft.add(e.TurnEnded(waiting.turn_id, TurnStatus.FAILED, reason=reason))
    return True
