"""Whether a house and the model of its sessions agree: state, hosts, turns, conversation, events."""

from collections.abc import Mapping

from sessions import rows
from sessions.model import Lifecycle, SessionId, Text, TurnId, TurnKind
from sessions.session import Session
from sessions.state import Snapshot, apply
from storage import Database
from tests.sessions.kit import House
from tests.sessions.model_session import ModelSession


class Divergence(AssertionError):
    """The core and the model disagree."""


async def difference(house: House, model: ModelSession, ids: Mapping[str, TurnId]) -> str | None:
    """Return how the session in `house` differs from `model`; None if it does not. `ids` by origin."""
    session = await house.manager.get_session(model.session_id)
    state = session.snapshot
    live = model.live
    if live is None:
        live = state.lifecycle is Lifecycle.LIVE
    lifecycle = Lifecycle.ENDED if model.ended else Lifecycle.LIVE if live else Lifecycle.PARKED
    seen = (
        state.lifecycle,
        state.current.turn_id if state.current is not None else None,
        [turn.turn_id for turn in state.queue],
        len(state.asks),
        len(state.background_tasks),
    )
    current = model.current
    wanted = (
        lifecycle,
        ids[current.origin] if current is not None else None,
        [ids[turn.origin] for turn in model.queue],
        int(current is not None and current.text.startswith("ask")),
        model.background if model.background is not None else len(state.background_tasks),
    )
    if seen != wanted:
        return f"{model.session_id}: {seen} instead of {wanted}; {state}"
    mine = (each.spec for each in house.machine.living() if each.spec.session_id == model.session_id)
    hosts = [spec.number for spec in mine]
    if hosts != ([state.host] if live else []):
        return f"{model.session_id}: hosts {hosts} live; {state}"
    found = await _difference_of_turns(house, model, state)
    if found is None:
        model.live = live
    return found


async def _difference_of_turns(house: House, model: ModelSession, state: Snapshot) -> str | None:
    turns = list(reversed(await rows.load_turns(house.db, SessionId(model.session_id), limit=200)))
    asked = [turn for turn in turns if turn.kind is not TurnKind.BACKGROUND]
    seen: list[tuple[str, str, list[str]]] = []
    for turn in asked:
        blocks = await rows.load_blocks(house.db, turn.id)
        texts = [block.text for block in blocks if isinstance(block, Text)]
        seen.append((turn.prompt, turn.status.value, texts))
    wanted = [(turn.text, turn.status, turn.said) for turn in model.turns]
    if model.ended:  # whoever ends a session does not wait for its last words
        cut = {"interrupted": "over", "cut": "over"}
        seen = [(text, cut.get(status, status), []) for text, status, _ in seen]
        wanted = [(text, cut.get(status, status), []) for text, status, _ in wanted]
    if seen != wanted:
        return f"{model.session_id}: turns {seen} instead of {wanted}"
    if len(turns) - len(asked) != model.heard:
        return f"{model.session_id}: {len(turns) - len(asked)} background turns instead of {model.heard}"
    known = house.claude.conversations.get(state.conversation_id)
    prompts = known.prompts() if known is not None else []
    if prompts != [turn.text for turn in model.conversation]:
        return f"{model.session_id}: conversation {prompts}, not {[t.text for t in model.conversation]}"
    return None


async def check_events(session: Session) -> None:
    """Folding the stored events gives exactly the session's snapshot, and their numbers have no hole.

    Raises `Divergence`. Nothing happens to the session meanwhile: its context may be measured at any time.
    """
    async with session.change() as draft:
        folded = await _fold(session.around.db, session.id)
        if folded != draft.snapshot:
            raise Divergence(f"{folded} folded, but {draft.snapshot} held")


async def _fold(db: Database, session_id: SessionId) -> Snapshot:
    folded = Snapshot(session_id)
    while page := await rows.load_events(db, session_id, after=folded.next_event - 1, limit=500):
        for each in page:
            if each.number != folded.next_event:
                raise Divergence(f"event {each.number} where {folded.next_event} comes")
            folded = apply(folded, each.event, each.at_ms)
    return folded
