"""Threads for sessions: on messages, private ones, posts of forums; what is refused before any is there."""

import pytest

from api import SavePromptTemplate
from api.access import Actor, Role
from bot.actors import core_id
from bot.threads import NO_PRIVATE, NO_TAG, NO_THREADS, thread_name
from sessions.model import PermissionMode
from tests.bot.ways import Ways, core, fake, town, ways
from tests.fakes.discord_server import Place
from tests.fakes.discord_server.model import ChannelType
from tests.sessions.running_core import idle, reached

__all__ = ["core", "fake", "town", "ways"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Fix the build", "Fix the build"),
        ("<@123> fix\nthe <#9> build", "fix the build"),
        ("", "Session"),
        ("<@&77>", "Session"),
        ("x" * 300, "x" * 89 + "…"),
    ],
)
def test_a_threads_name_is_one_line_without_mentions(text: str, name: str) -> None:
    assert thread_name(text) == name


async def post_in(ways: Ways, forum: Place) -> Place:
    """A post of Ann's in a forum."""
    made = ways.town.ann.start_thread(forum, "Fix the build")
    ways.town.ann.send(made, "It is red.")
    return made


async def test_a_forum_post_is_a_sessions_thread_like_any_other(ways: Ways) -> None:
    made = await post_in(ways, ways.fake.forum("help"))
    await ways.town.ann.slash(made, "claude", prompt="demo:text hello").settled()
    session = await ways.session_in(made)
    ways.town.ann.send(made, "demo:text more")
    await reached(session, lambda snapshot: snapshot.message_count == 2)
    assert await ways.prompts(session) == ["demo:text hello", "demo:text more"]


@pytest.mark.parametrize("requires_tag", [False, True])
async def test_a_further_session_in_a_forum_is_a_post_of_its_own(ways: Ways, *, requires_tag: bool) -> None:
    forum = ways.fake.forum("help", tags=("question", "done"), requires_tag=requires_tag)
    made = await post_in(ways, forum)
    await ways.town.ann.slash(made, "claude", prompt="demo:text hello").settled()
    session = await ways.session_in(made)
    outcome = await ways.town.bob.slash(made, "session start", title="Another").settled()
    other = next(each for each in forum.threads if each.id != made.id)
    assert f"<#{other.id}>" in outcome.text
    assert (other.name, [one.text for one in other.from_bot]) == ("Another", ["**Another**"])
    assert (await ways.session_in(other)).id != session.id
    assert other.model.thread is not None
    assert len(other.model.thread.applied_tags) == requires_tag


async def test_a_branch_of_a_session_in_a_forum_is_a_post_too(ways: Ways) -> None:
    forum = ways.fake.forum("help")
    made = await post_in(ways, forum)
    await ways.town.ann.slash(made, "claude", prompt="demo:text hello").settled()
    await idle(await ways.session_in(made))
    outcome = await ways.town.ann.slash(made, "turn branch").settled()
    other = next(each for each in forum.threads if each.id != made.id)
    assert f"<#{other.id}>" in outcome.text


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        pytest.param({"private": True}, NO_PRIVATE, id="private"),
        pytest.param({}, NO_TAG, id="no tag to set"),
    ],
)
async def test_what_a_forum_cannot_have_is_refused_before_anything_is_made(
    ways: Ways, wish: dict[str, bool], sentence: str
) -> None:
    forum = ways.fake.forum("help", requires_tag=not wish)
    made = await post_in(ways, forum)
    await ways.town.ann.slash(made, "claude", prompt="demo:text hello").settled()
    await ways.session_in(made)
    outcome = await ways.town.bob.slash(made, "session start", **wish).settled()
    assert outcome.text == sentence
    assert [each.id for each in forum.threads] == [made.id]


@pytest.mark.parametrize("kind", [ChannelType.VOICE, ChannelType.STAGE])
@pytest.mark.parametrize("by_command", [True, False])
async def test_a_channel_without_threads_says_so_before_anything_is_made(
    ways: Ways, kind: ChannelType, *, by_command: bool
) -> None:
    voice = ways.fake.channel_of(kind, "talk")
    if by_command:
        outcome = await ways.town.ann.slash(voice, "claude", prompt="demo:text hello").settled()
        assert outcome.text == NO_THREADS
    else:
        ways.town.ann.send(voice, f"{ways.fake.bot.mention} demo:text hello")
        assert (await voice.wait_for_message(NO_THREADS)).author.bot
    assert ways.fake.threads() == []
    assert await ways.core.db.read("SELECT 1 FROM sessions") == []


async def test_announcements_have_public_threads_only(ways: Ways) -> None:
    news, ann = ways.fake.channel_of(ChannelType.ANNOUNCEMENT, "news"), ways.town.ann
    outcome = await ann.slash(news, "session start", private=True).settled()
    assert outcome.text == NO_PRIVATE
    ann.send(news, f"{ways.fake.bot.mention} demo:text hello")
    thread = await news.wait_for_thread()
    session = await ways.session_in(thread)
    ann.send(thread, "demo:text more")
    await reached(session, lambda snapshot: snapshot.message_count == 2)
    assert thread.model.type is ChannelType.ANNOUNCEMENT_THREAD
    started = await ann.slash(news, "session start", title="By command").settled()
    assert "is open in" in started.text
    assert len(news.threads) == 2


async def test_tags_that_only_moderators_may_set_are_left_alone(ways: Ways) -> None:
    forum = ways.fake.forum("help", tags=("solved", "question"), moderated=("solved",), requires_tag=True)
    made = await post_in(ways, forum)
    await ways.town.ann.slash(made, "claude", prompt="demo:text hello").settled()
    await ways.town.bob.slash(made, "session start", title="Another").settled()
    other = next(each for each in forum.threads if each.id != made.id)
    assert other.model.thread is not None
    assert other.model.thread.applied_tags == [int(forum.model.tags[1]["id"])]


async def test_a_session_that_is_refused_leaves_no_thread_behind(ways: Ways) -> None:
    general, ann = ways.fake.general, ways.town.ann
    outcome = await ann.slash(general, "session start", project="nothing").settled()
    assert "does not exist" in outcome.text
    assert ways.fake.threads() == []
    outcome = await ann.slash(general, "files import", file=("a.json", b"{}")).settled()
    assert "not a session" in outcome.text
    assert ways.fake.threads() == []


async def test_a_refusal_takes_away_no_thread_that_was_there_before(ways: Ways) -> None:
    message = ways.town.mel.send(ways.fake.general, "the build is red")
    opened = await ways.town.ann.message_menu(message, "Ask Claude about this").acknowledged()
    await ways.town.ann.submit_modal(opened, {"text": "demo:text hi"}).settled()
    thread = await ways.fake.general.wait_for_thread()
    session = await ways.session_in(thread)
    # Bob may not see Ann's session, which is in the one thread that the message can have.
    opened = await ways.town.bob.message_menu(message, "Ask Claude about this").acknowledged()
    outcome = await ways.town.bob.submit_modal(opened, {"text": "demo:text and I?"}).settled()
    assert "may not" in outcome.text
    assert [each.id for each in ways.fake.threads()] == [thread.id]
    ways.town.ann.send(thread, "demo:text more")
    await reached(session, lambda snapshot: snapshot.message_count == 2)


async def test_a_template_opens_as_a_dialog_and_asks_with_its_project_model_and_mode(ways: Ways) -> None:
    general, ann = ways.fake.general, ways.town.ann
    actor = Actor(core_id(ann.id), "discord", Role.USER)
    wish = SavePromptTemplate(name="Say it", text="demo:text {what}", model="opus", mode=PermissionMode.PLAN)
    await ways.core.do(wish, actor)
    assert "no template" in (await ann.slash(general, "template", name="Another").settled()).text
    opened = await ann.slash(general, "template", name="say it").acknowledged()
    outcome = await ann.submit_modal(opened, {"text": "demo:text {what}"}).settled()
    assert "Fill in “what”" in outcome.text
    assert ways.fake.threads() == []
    opened = await ann.slash(general, "template", name="say it").acknowledged()
    await ann.submit_modal(opened, {"text": "demo:text hello"}).settled()
    session = await ways.session_in(await general.wait_for_thread())
    await reached(session, lambda snapshot: snapshot.message_count == 1)
    assert (session.snapshot.model, session.snapshot.mode) == ("opus", PermissionMode.PLAN)
