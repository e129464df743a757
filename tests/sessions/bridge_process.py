"""A bridge in a process of its own, to be killed: hands in prompts to one session and stays.

Forked by the nursery; prints the session's id.
"""

import asyncio
from pathlib import Path

from sessions.model import Allow
from sessions.prompt_queue import Sender
from sessions.session_maker import NewSession
from tests.sessions.scripted import USER, Place


async def main(root: Path, key: str, prompts: list[str]) -> None:
    """Send every prompt, answer every ask, and end when all is at rest."""
    place = Place(root)
    async with place.bridge() as manager:
        session = await manager.get_or_create_session(NewSession(USER, "c", key=key))
        print(session.id, flush=True)
        for prompt in prompts:
            await session.send_message(prompt, sender=Sender(USER, f"{key} {prompt}"))
        while True:
            state = await session.until(
                lambda snapshot: bool(snapshot.asks) or (snapshot.is_idle and not snapshot.queue)
            )
            if not state.asks:
                return
            for ask in state.asks:
                await session.answer(ask.id, Allow(), by=USER)


def run(root: str, key: str, *prompts: str) -> None:
    """For the nursery."""
    asyncio.run(main(Path(root), key, list(prompts)))
