"""Two faces at once: one decision, told with who, where and when; who else looks; the way to Discord."""

import asyncio
from collections.abc import Sequence

import aiohttp
import pytest

import api as c
from api.access import Actor, Role
from bot.rows import Place, confirm_post, insert_place, insert_post
from bot.scopes import SessionScope
from bridge.web_face import address_in_discord
from sessions.errors import AlreadyDecided
from sessions.model import Allow, Deny, ShareLevel
from tests.sessions.running_core import DEADLINE_S
from tests.web.web_world import ADMIN, OTHER, OWNER, STRANGER, WebWorld

IN_DISCORD = Actor(OWNER, "discord", Role.USER)
_RACES = 100
_LATER_S = (0.0, 0.002, 0.004, 0.008, 0.05)


async def frames_until(socket: aiohttp.ClientWebSocketResponse, words: str) -> list[str]:
    """Read frames until one has `words`."""
    seen: list[str] = []
    async with asyncio.timeout(DEADLINE_S):
        while not seen or words not in seen[-1]:
            seen.append((await socket.receive_str()).replace("\\", ""))
    return seen


async def test_an_answer_in_discord_closes_the_card_and_says_who_where_and_when(world: WebWorld) -> None:
    world.names[OWNER] = "Ann <b>"
    ann = await world.browser(OWNER)
    session = await world.session_of(ann, "demo:bash touch x")
    ask = await world.asked(session)
    async with ann.socket() as socket:
        await socket.send_json({"type": "sub", "sub": "s", "session": session, "after": 0})
        await frames_until(socket, f"a-{ask}")
        await world.core.do(c.AnswerAsk(session_id=session, ask_id=ask, decision=Allow()), IN_DISCORD)
        begun = asyncio.get_running_loop().time()
        frames = await frames_until(socket, "Allowed once by Ann &lt;b&gt; in Discord.")
        assert asyncio.get_running_loop().time() - begun < 1
    assert "<time datetime=" in frames[-1].partition("in Discord.")[2]
    stored = await ann.done("GET", f"/api/sessions/{session}/asks/{ask}")
    assert (stored["decided_by"], stored["decided_face"]) == (OWNER, "discord")
    assert "Ann &lt;b&gt; in Discord" in await ann.done("GET", f"/chat/{session}")


async def test_of_two_answers_one_counts_and_both_sides_say_which(world: WebWorld) -> None:
    """One hundred asks, each answered in the browser and in Discord at once."""
    # One login may do 60 acts in a minute.
    ann, again = await world.browser(OWNER), await world.browser(OWNER)
    session = await world.session_of(ann, " ".join(["demo:bash touch x"] * _RACES))
    wins = {"web": 0, "discord": 0}
    for number in range(_RACES):
        ask = await world.asked(session)
        path, body = f"/api/sessions/{session}/asks/{ask}/decision", {"decision": {"type": "allow"}}
        by_web, by_discord = await asyncio.gather(
            (again if number % 2 else ann).send("POST", path, body),
            _in_discord(world, session, ask, _LATER_S[number % 5]),
        )
        stored = await world.core.do(c.ReadAsk(session_id=session, ask_id=ask))
        assert (by_web[0] == 200) is (stored.decided_face == "web"), by_web
        assert (by_discord == "decided") is (stored.decided_face == "discord")
        loser = by_web[1]["code"] if stored.decided_face == "discord" else by_discord
        assert loser == "already_decided"
        wins[stored.decided_face] += 1
    assert min(wins.values()) > 0
    await world.settled(ann, session)


async def _in_discord(world: WebWorld, session: str, ask: str, later_s: float) -> str:
    # The way over HTTP takes longer: without different head starts for it there would be no race.
    await asyncio.sleep(later_s)
    wish = c.AnswerAsk(session_id=session, ask_id=ask, decision=Deny())
    try:
        await world.core.do(wish, IN_DISCORD)
    except AlreadyDecided:
        return "already_decided"
    return "decided"


async def people_told(socket: aiohttp.ClientWebSocketResponse, words: str) -> None:
    await frames_until(socket, f'<p id="presence" class="dim">{words}</p>')


async def test_readers_see_who_else_looks(world: WebWorld) -> None:
    world.names.update({OWNER: "Ann", OTHER: "Bob"})
    ann, bob, eve = await world.browser(OWNER), await world.browser(OTHER), await world.browser(ADMIN)
    session = await world.session_of(ann)
    await world.share(session, OTHER, ShareLevel.VIEW)
    wish = {"type": "sub", "sub": "s", "session": session}
    async with ann.socket() as mine:
        await mine.send_json(wish)
        async with bob.socket() as his:
            await his.send_json(wish)
            await people_told(mine, "Bob looks at this, too.")
            await people_told(his, "Ann looks at this, too.")
            async with eve.socket() as hers:
                await hers.send_json(wish)
                await people_told(mine, "Bob and root look at this, too.")
                await his.send_json({"type": "look", "visible": False})
                await people_told(mine, "root looks at this, too.")
                await his.send_json({"type": "look", "visible": True})
                await people_told(hers, "Ann and Bob look at this, too.")
        await people_told(mine, "")
        async with bob.socket() as his:
            for sub in ("s", "t"):
                await his.send_json({**wish, "sub": sub})
            await people_told(mine, "Bob looks at this, too.")
            await his.send_json({"type": "unsub", "sub": "t"})
            await his.send_json({"type": "ping"})
            await frames_until(his, '"beat"')
            for is_visible, words in ((False, ""), (True, "Bob looks at this, too.")):
                await his.send_json({"type": "look", "visible": is_visible})
                await people_told(mine, words)
        await people_told(mine, "")
        stranger = await world.browser(STRANGER)
        world.roles[STRANGER] = Role.USER
        async with stranger.socket() as theirs:
            await theirs.send_json(wish)
            seen = await frames_until(theirs, "not_allowed")
            assert not any("presence" in each for each in seen)
        assert world.parts.presence.others(session, OWNER) == ()


@pytest.mark.parametrize(
    ("messages", "address"),
    [
        ((), "https://discord.com/channels/7/8"),
        ((None,), "https://discord.com/channels/7/8"),
        ((11, 12), "https://discord.com/channels/7/8/11"),
    ],
)
async def test_a_turn_leads_to_its_first_message(
    world: WebWorld, messages: Sequence[int | None], address: str
) -> None:
    ann = await world.browser(OWNER)
    session = await world.session_of(ann, "demo:text one")
    turn = (await world.settled(ann, session))["core"]["last_turn"]
    db = world.core.db
    assert await address_in_discord(db, session, turn) == ""
    await db.write([insert_place(Place(session, 7, 8, SessionScope.THREAD, 1), 0)])
    for ordinal, message in enumerate(messages):
        post = await insert_post(db, session, 8, (f"turn:{turn}", ordinal), 0)
        assert post is not None
        if message is not None:
            await db.write([confirm_post(post, message, "shown")])
    assert await address_in_discord(db, session, turn) == address


async def test_the_link_to_discord_is_followed_by_those_who_may_see_the_session(world: WebWorld) -> None:
    ann, bob = await world.browser(OWNER), await world.browser(OTHER)
    info = await world.core.do(c.CreateSession(channel_id="discord:8"), IN_DISCORD)
    await ann.done("POST", f"/api/sessions/{info.id}/messages", {"content": "demo:text one"})
    turn = (await world.settled(ann, info.id))["core"]["last_turn"]
    path = f"/chat/{info.id}/turns/{turn}/discord"
    assert f'href="{path}"' in await ann.done("GET", f"/chat/{info.id}")
    assert (await ann.send("GET", path))[0] == 404  # there is no Discord here
    for act in (("POST", "/park"), ("DELETE", "")):  # asleep and ended, the way stays
        await ann.done(act[0], f"/api/sessions/{info.id}{act[1]}")
        assert f'href="{path}"' in await ann.done("GET", f"/chat/{info.id}")
    assert await ann.done("GET", f"/api/sessions/{info.id}/turns/{turn}/places") == {"discord": ""}
    assert (await bob.send("GET", path))[1]["code"] == "session_not_found"
