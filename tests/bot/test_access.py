"""Permissions by every way into the face: one table, closed by default."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from api import Share
from api.access import Actor, Role
from bot.actors import AccessPolicy, Somebody, actor_of
from bot.bodies import Button, Control, Plain, Verb
from bot.discord_bodies import message_kwargs
from bot.entry import NOT_YOURS
from bot.rows import insert_controls
from sessions.model import ShareLevel
from sessions.session import Session
from tests.bot.ways import ADMIN, Ways, core, core_id, fake, town, ways
from tests.fakes.discord_server import Ack, FakeDiscord, Message, Person, Place

__all__ = ["core", "fake", "town", "ways"]


@dataclass
class Scene:
    """Ann's session, shared in several ways, with a message that has controls."""

    ways: Ways
    thread: Place
    session: Session
    panel: Message

    @property
    def fake(self) -> FakeDiscord:
        return self.ways.fake


Way = Callable[[Scene, Person], Awaitable[bool]]


async def start(scene: Scene, person: Person) -> bool:
    outcome = await person.slash(scene.fake.general, "claude", prompt="demo:text hi").settled()
    return "asks Claude" in outcome.text


async def read(scene: Scene, person: Person) -> bool:
    return "Owner:" in (await person.slash(scene.thread, "session info").settled()).text


async def list_(scene: Scene, person: Person) -> bool:
    """Sees Ann's session in the list."""
    outcome = await person.slash(scene.thread, "session list").settled()
    return f"<#{scene.thread.id}>" in outcome.text


async def let_go_on(scene: Scene, person: Person) -> bool:
    return "goes on" in (await person.slash(scene.thread, "turn continue").settled()).text


async def rename(scene: Scene, person: Person) -> bool:
    return "is called" in (await person.slash(scene.thread, "session rename", title="x").settled()).text


async def administer(scene: Scene, person: Person) -> bool:
    return "Processes:" in (await person.slash(scene.thread, "admin stats").settled()).text


async def click(scene: Scene, person: Person) -> bool:
    outcome = await person.click(scene.panel, "Continue").acknowledged()
    assert (outcome.ack is Ack.DEFERRED_UPDATE) != ("ou may not" in outcome.text), outcome.text
    return outcome.ack is Ack.DEFERRED_UPDATE


async def answer(scene: Scene, person: Person) -> bool:
    outcome = await person.click(scene.panel, "Allow").settled()
    assert ("no longer waits" in outcome.text) != ("ou may not" in outcome.text), outcome.text
    return "no longer waits" in outcome.text


async def flip(scene: Scene, person: Person) -> bool:
    """Choose which of several answers everybody sees."""
    outcome = await person.click(scene.panel, "Flip").acknowledged()
    assert (outcome.ack is Ack.DEFERRED_UPDATE) != ("ou may not" in outcome.text), outcome.text
    return outcome.ack is Ack.DEFERRED_UPDATE


async def take_file(scene: Scene, person: Person) -> bool:
    outcome = await person.slash(scene.thread, "files get", path="nothing").settled()
    assert ("is not there" in outcome.text) != ("ou may not" in outcome.text or "no session" in outcome.text)
    return "is not there" in outcome.text


async def take_files(scene: Scene, person: Person) -> bool:
    outcome = await person.click(scene.panel, "Files").settled()
    assert ("has no files" in outcome.text) != ("ou may not" in outcome.text), outcome.text
    return "has no files" in outcome.text


async def read_details(scene: Scene, person: Person) -> bool:
    return "What Claude did" in (await person.click(scene.panel, "Details").settled()).text


async def menu(scene: Scene, person: Person) -> bool:
    """A message's menu, and the dialog that it opens."""
    message = scene.ways.town.mel.send(scene.fake.general, "what is this?")
    opened = await person.message_menu(message, "Ask Claude about this").acknowledged()
    if opened.modal is None:
        assert NOT_YOURS in opened.text
        return False
    outcome = await person.submit_modal(opened, {"text": "demo:text hi"}).settled()
    return "asks Claude" in outcome.text


async def suggestions(scene: Scene, person: Person) -> bool:
    outcome = await person.autocomplete(scene.thread, "session info", "session").acknowledged()
    return any(choice["value"] == scene.session.id for choice in outcome.choices)


async def message(scene: Scene, person: Person) -> bool:
    sent = person.send(scene.thread, "demo:text hi")
    await _all_dealt_with(scene, sent)
    views = await scene.ways.turns(scene.session)
    return any(view.turn.origin.endswith(str(sent.id)) for view in views)


async def mention(scene: Scene, person: Person) -> bool:
    sent = person.send(scene.fake.general, f"{scene.fake.bot.mention} demo:text hi")
    await _all_dealt_with(scene, sent)
    return any(thread.id == sent.id for thread in scene.fake.threads())


async def _all_dealt_with(scene: Scene, sent: Message) -> None:
    """Wait until the bot has seen `sent`: a message of Ann's after it comes after it."""
    marker = scene.ways.town.ann.send(scene.fake.general, scene.fake.bot.mention)
    assert marker.id > sent.id
    await scene.fake.general.wait_for_message(
        lambda one: one.reference is not None and int(one.reference["message_id"]) == marker.id
    )
    await scene.ways.dealt_with()


WAYS: dict[str, Way] = {
    each.__name__: each
    for each in (
        start, read, list_, let_go_on, rename, administer, click, answer, flip, take_file, take_files,
        read_details, menu, suggestions, message, mention,
    )
}  # fmt: skip
ALL = set(WAYS)
OWN = {"start", "menu", "mention"}
SHARED_VIEW = {"read", "read_details", "list_", "suggestions"}
SHARED_PROMPT = SHARED_VIEW | {"let_go_on", "click", "message", "flip", "take_file", "take_files"}

TABLE = {
    "boss": ALL,  # an admin
    "ann": ALL - {"administer"},  # the owner
    "sam": OWN | SHARED_PROMPT,  # shared: prompt
    "amy": OWN | SHARED_PROMPT | {"answer"},  # shared: approve
    "bob": OWN,  # allowed by a role, nothing shared
    "vic": set(),  # a viewer, nothing shared
    "val": SHARED_VIEW,  # a viewer, shared for more than a viewer may
    "mel": set(),  # a member of the server
    "robot": set(),  # another bot
}


@pytest.mark.parametrize("who", TABLE)
async def test_each_way_in_is_open_to_whom_the_table_says(ways: Ways, who: str) -> None:
    scene = await _scene(ways)
    person = await _person(scene, who)
    let_in = {name for name, way in WAYS.items() if await way(scene, person)}
    assert let_in == TABLE[who]


async def test_strangers_are_written_down_once_and_leave_nothing_else(ways: Ways) -> None:
    scene = await _scene(ways)
    before = await ways.core.db.read("SELECT count(*) FROM inbox")
    for _ in range(3):
        ways.town.mel.send(scene.thread, "let me in")
        ways.town.mel.send(ways.fake.general, f"{ways.fake.bot.mention} let me in")
        await ways.town.mel.slash(ways.fake.general, "claude", prompt="let me in").settled()
        await ways.town.mel.click(scene.panel, "Continue").settled()
    await _all_dealt_with(scene, ways.town.mel.send(scene.thread, "let me in"))
    refused = "SELECT actor, face, action FROM audit WHERE NOT allowed"
    rows = [tuple(each) for each in await ways.core.db.read(refused)]
    assert rows == [(core_id(ways.town.mel.id), "discord", "use_the_bot")]
    after = await ways.core.db.read("SELECT count(*) FROM inbox")
    assert int(str(after[0][0])) - int(str(before[0][0])) == 1  # what the end of the test wrote itself


async def test_however_many_strangers_come_the_audit_stays_small(ways: Ways) -> None:
    refusal_audit = ways.client.refusal_audit
    for number in range(300):
        await refusal_audit.note(Actor(f"discord:{number}", "discord", Role.NOBODY))
    rows = await ways.core.db.read("SELECT count(*) FROM audit WHERE action = 'use_the_bot'")
    assert int(str(rows[0][0])) == 100


async def test_webhooks_and_direct_messages_are_nobody(ways: Ways) -> None:
    scene = await _scene(ways)
    before = len(await ways.turns(scene.session))
    ways.fake.webhook(scene.thread, "ann", "demo:text hi")
    ways.fake.webhook(ways.fake.general, "ann", f"{ways.fake.bot.mention} demo:text hi")
    sent = ways.town.ann.send(ways.fake.dm(ways.town.ann), "demo:text hi")
    await _all_dealt_with(scene, sent)
    assert len(await ways.turns(scene.session)) == before
    assert len(ways.fake.threads()) == 1
    assert ways.fake.dm(ways.town.ann).from_bot == []


async def _scene(ways: Ways) -> Scene:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    turn = (await ways.turns(session))[0].turn
    buttons = (
        Button(Control(Verb.CONTINUE, session.id), "Continue"),
        Button(Control(Verb.ALLOW, session.id, "no-such-ask"), "Allow"),
        Button(Control(Verb.ALTERNATIVE, session.id, turn.id, turn.id), "Flip"),
        Button(Control(Verb.FILES, session.id, turn.id), "Files"),
        Button(Control(Verb.DETAILS, session.id, turn.id), "Details"),
    )
    body = Plain("a panel", (buttons,))
    await ways.core.db.write(insert_controls(body))
    await ways.client.get_partial_messageable(thread.id).send(**message_kwargs(body))
    return Scene(ways, thread, session, thread.from_bot[-1])


async def _person(scene: Scene, who: str) -> Person:
    town, shares = (
        scene.ways.town,
        {"sam": ShareLevel.PROMPT, "amy": ShareLevel.APPROVE, "val": ShareLevel.APPROVE},
    )
    known = getattr(town, who, None)
    if isinstance(known, Person):
        return known
    person = scene.fake.member(who, town.viewers if who == "val" else town.users)
    wish = Share(session_id=scene.session.id, grantee=core_id(person.id), level=shares[who])
    await scene.ways.core.do(wish, ADMIN)
    return person


HERE, USERS, VIEWERS = 1, 50, 51
POLICY = AccessPolicy(
    guild_ids=frozenset({HERE}),
    user_ids=frozenset({7}),
    role_ids=frozenset({USERS}),
    viewer_role_ids=frozenset({VIEWERS}),
    admin_ids=frozenset({9}),
)


@pytest.mark.parametrize(
    ("somebody", "role"),
    [
        pytest.param(Somebody(9, HERE), Role.ADMIN, id="admin"),
        pytest.param(Somebody(9, 2), Role.NOBODY, id="admin in a foreign server"),
        pytest.param(Somebody(9, None), Role.NOBODY, id="admin in a direct message"),
        pytest.param(Somebody(9, HERE, is_bot=True), Role.NOBODY, id="a bot with an admin's id"),
        pytest.param(Somebody(7, HERE), Role.USER, id="user"),
        pytest.param(Somebody(7, 2), Role.NOBODY, id="user in a foreign server"),
        pytest.param(Somebody(8, HERE, frozenset({USERS, VIEWERS})), Role.USER, id="the stronger role counts"),
        pytest.param(Somebody(8, HERE, frozenset({VIEWERS})), Role.VIEWER, id="viewer"),
        pytest.param(Somebody(8, HERE), Role.NOBODY, id="member"),
    ],
)
def test_the_settings_give_a_role_by_ids_in_the_allowed_servers_only(somebody: Somebody, role: Role) -> None:
    actor = actor_of(POLICY, somebody)
    assert (actor.role, actor.user_id) == (role, f"discord:{somebody.user_id}")
