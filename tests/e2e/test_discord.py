"""Every act of a user in Discord, at least once: the whole program, the real CLI, the fake Discord."""

from collections.abc import AsyncIterator, Sequence

import pytest

from tests.e2e.discord_house import Bot, bot_in, button, has_button
from tests.e2e.house import House
from tests.fakes.discord_server import FakeDiscord, Message, Outcome
from tests.fakes.discord_server.fixtures import fake
from tests.fakes.discord_server.model import Attachment

__all__ = ["fake"]

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(240)]


@pytest.fixture
async def bot(house: House, fake: FakeDiscord) -> AsyncIterator[Bot]:
    async with bot_in(house, fake) as bot:
        await bot.start()
        yield bot


def shown(outcome: Outcome) -> Message:
    """The answer's message."""
    assert outcome.reply is not None, outcome.text
    return outcome.reply


def attached(outcome: Outcome) -> Sequence[Attachment]:
    """The files of the answer."""
    return shown(outcome).attachments


async def test_every_way_of_asking_is_answered_in_its_thread(bot: Bot) -> None:
    """`/claude`, messages with files, a mention, a reply, the message menu."""
    fake, ann = bot.fake, bot.ann
    thread = await bot.claude("Hello demo:text Good morning", file=("notes.txt", b"remember"))
    await bot.answered(thread, "Good morning")
    assert bot.house.rows("SELECT title FROM sessions") == [("Hello demo:text Good morning",)]

    sent = ann.send(thread, "demo:text Got it", files={"b.txt": b"hidden words"})
    await bot.answered(thread, "Got it")
    [stored] = (bot.house.data / "run").glob(f"*/uploads/{sent.id}/b.txt")
    assert stored.read_bytes() == b"hidden words"
    assert list(bot.house.project.rglob("b.txt")) == []

    mention = ann.send(fake.general, f"{fake.bot.mention} demo:text By mention")
    by_mention = await fake.general.wait_for_thread(lambda each: each.id == mention.id)
    answer = await bot.answered(by_mention, "By mention")
    ann.send(by_mention, "demo:text By reply", reply_to=answer)
    await bot.answered(by_mention, "By reply")

    asked_about = bot.mel.send(fake.general, "What is a monad?")
    opened = await ann.message_menu(asked_about, "Ask Claude about this")
    await ann.submit_modal(opened, {"Your question": "demo:text By menu"})
    by_menu = await fake.general.wait_for_thread(lambda each: each.id == asked_about.id)
    await bot.answered(by_menu, "By menu")
    assert (
        "What is a monad?" in bot.house.rows("SELECT prompt FROM turns ORDER BY queued_ms DESC LIMIT 1")[0][0]
    )


async def test_waiting_prompts_can_be_edited_deleted_and_cancelled(bot: Bot) -> None:
    """A prompt sent while Claude works waits, with a place and a Cancel; editing and deleting change it."""
    ann = bot.ann
    thread = await bot.claude("demo:gate busy\ndemo:text Done with that")
    await bot.gate("busy")
    edited = ann.send(thread, "demo:text Wrong")
    deleted = ann.send(thread, "demo:text Never said")
    ann.send(thread, "demo:text Cancelled")
    queued = await thread.wait_for_message(lambda one: "Queued" in one.text and "Cancelled" in one.text)
    await ann.click(queued, "Cancel 3")
    ann.edit(edited, "demo:text Right")
    ann.delete(deleted)
    await thread.wait_for(lambda place: [m for m in place.from_bot if "Queued" in m.text and "Right" in m.text])
    outcome = await ann.slash(thread, "turn queue").settled()
    assert "Right" in outcome.text
    await bot.open_gate("busy")
    await bot.answered(thread, "DEMO: Right")
    said = bot.house.rows("SELECT prompt FROM turns WHERE status = 'done' ORDER BY number")
    assert [prompt.rpartition("demo:text ")[2] for (prompt,) in said] == ["Done with that", "Right"]


async def test_stop_keeps_what_was_said_and_send_now_is_next(bot: Bot) -> None:
    ann = bot.ann
    thread = await bot.claude("demo:text Begun\ndemo:gate one\ndemo:text Never reached")
    await bot.gate("one")
    # The model has said it; Claude, stopped before it passes that on, would never have said it.
    await thread.wait_for_message(lambda one: "Begun" in one.text)
    working = await thread.wait_for_message(button("Stop"))
    outcome = await ann.click(working, "Stop").settled()
    assert "is kept" in outcome.text
    await bot.answered(thread, "Begun")
    ann.send(thread, "demo:gate two\ndemo:text Never either")
    await bot.gate("two")
    ann.send(thread, "demo:text At once")
    ann.send(thread, "demo:text Right now")
    queued = await thread.wait_for_message(lambda one: "Right now" in one.text and has_button(one, "Send now"))
    await ann.click(queued, "Send now")
    await bot.answered(thread, "DEMO: Right now")


async def test_every_button_of_an_answer_does_what_it_says(bot: Bot) -> None:
    ann = bot.ann
    thread = await bot.claude("demo:write out.txt some words\ndemo:text Written")
    ask = await thread.wait_for_message(button("Allow once"))
    assert [ping.user_id for ping in bot.fake.bot_pings if ping.message_id == ask.id] == [ann.id]
    await ann.click(ask, "Allow once")
    answer = await bot.answered(thread, "Written")

    files = await ann.click(answer, "Files (1)").settled()
    assert files.ephemeral
    assert {each.filename: each.data for each in attached(files)}["out.txt"] == b"some words"
    more = shown(await ann.click(answer, "⋯").settled())
    export = await ann.click(more, "Export").settled()
    assert b"Written" in attached(export)[0].data

    panel = await ann.click(more, "Model").settled()
    await ann.select(shown(panel), None, "haiku").settled()
    models = await ann.slash(thread, "session info").settled()
    assert "haiku" in models.text

    await ann.click(more, "Continue")
    await thread.wait_for(lambda _: not has_button(answer, "Regenerate") or None)
    last = await thread.wait_for_message(lambda one: one.id > answer.id and has_button(one, "Regenerate"))
    await ann.click(last, "Regenerate")
    flipped = await thread.wait_for_message(button("2/2"))
    await ann.click(flipped, "‹")
    await thread.wait_for_message(button("1/2"))

    opened = await ann.click(answer, "⋯").settled()
    outcome = await ann.click(shown(opened), "Branch").settled()
    branch = await bot.fake.general.wait_for_thread(lambda each: f"<#{each.id}>" in outcome.text)
    await branch.wait_for_message("goes on from")
    ann.send(branch, "demo:text In the branch")
    await bot.answered(branch, "In the branch")


async def test_regenerating_offers_to_put_files_back(bot: Bot) -> None:
    ann, file = bot.ann, bot.house.project / "out.txt"
    thread = await bot.claude("demo:write out.txt some words\ndemo:text Written")
    await ann.click(await thread.wait_for_message(button("Allow for session")), "Allow for session")
    answer = await bot.answered(thread, "Written")
    assert file.exists()
    offer = await ann.click(answer, "Regenerate").settled()
    assert "changed 1 file" in offer.text
    await ann.click(shown(offer), "Put back, ask again").settled()
    await thread.wait_for_message(button("2/2"))


async def test_asks_are_answered_and_who_is_late_is_told_who_decided(bot: Bot) -> None:
    """Permission, question and plan; notes; whoever is late is told who decided."""
    ann = bot.ann
    thread = await bot.claude("demo:bash rm -rf nothing\ndemo:text After the ask")
    ask = await thread.wait_for_message(button("Deny with note"))
    assert "rm -rf nothing" in ask.text
    dialog = await ann.click(ask, "Deny with note")
    await bot.boss.click(ask, "Deny")
    late = await ann.submit_modal(dialog, {"text": "use trash"}).settled()
    assert f"<@{bot.boss.id}>" in late.text
    await bot.answered(thread, "After the ask")

    ann.send(thread, "demo:bash touch x\ndemo:text After the note")
    ask = await thread.wait_for_message(lambda one: "touch x" in one.text and has_button(one, "Deny with note"))
    dialog = await ann.click(ask, "Deny with note")
    await ann.submit_modal(dialog, {"text": "rather not"})
    await thread.wait_for_message("with the note “rather not”")
    await bot.answered(thread, "After the note")

    ann.send(thread, "demo:ask-question Which one?")
    card = await thread.wait_for_message(button("Left"))
    await ann.click(card, "Left")
    await thread.wait_for_message("**Answered**")

    ann.send(thread, "demo:plan Build a house")
    plan = await thread.wait_for_message(button("Revise"))
    dialog = await ann.click(plan, "Revise")
    await ann.submit_modal(dialog, {"text": "with a roof"})
    await thread.wait_for_message("Sent back")


async def test_every_command_does_what_it_says(bot: Bot) -> None:
    """Every command that the tests above do not use."""
    ann, boss, general = bot.ann, bot.boss, bot.fake.general
    (bot.house.workspace / "side").mkdir(parents=True)
    projects = await ann.autocomplete(general, "session start", "project", "si")
    assert [each["value"] for each in projects.choices] == ["side"]
    opened = await ann.slash(general, "session start", title="My work", project="side", private=True).settled()
    thread = await general.wait_for_thread()
    assert f"<#{thread.id}>" in opened.text
    ann.send(thread, "demo:text Hello")
    await bot.answered(thread, "Hello")

    async def say(command: str, **options: object) -> str:
        outcome = await ann.slash(thread, command, **options).settled()
        assert outcome.ephemeral
        return outcome.text

    assert "My work" in await say("session info")
    assert f"<#{thread.id}>" in await say("session list")
    assert "Nothing was running" in await say("turn stop")
    assert "plan" in await say("settings mode", mode="plan")
    assert "admin" in await say("settings mode", mode="bypassPermissions")
    assert "haiku" in await say("settings model", model="haiku")
    assert "“Other work”" in await say("session rename", title="Other work")
    assert "may prompt here" in await say("session share", who=bot.mel.user, level="prompt")
    assert "no longer shared" in await say("session share", who=bot.mel.user, level="none")
    assert "claude --resume" in await say("session handover")
    (bot.house.workspace / "side" / "a.txt").write_text("in the project")
    assert "a.txt" in await say("files get", path="a.txt")
    (bot.house.workspace / "b.txt").write_text("beside the project")
    assert "not given out" in await say("files get", path="../b.txt")
    assert "goes to Claude" in await say("turn command", name="compact")
    assert "</session list:" in await say("help")
    exported = await ann.slash(thread, "files export", format="json").settled()
    data = attached(exported)[0].data
    known = {each.id for each in general.threads}
    await ann.slash(general, "files import", file=("session.json", data)).settled()
    again = await general.wait_for_thread(lambda each: each.id not in known)
    await again.wait_for_message("○ asleep")
    assert "Processes:" in (await boss.slash(general, "admin stats").settled()).text
    assert "may not" in (await ann.slash(general, "admin stats").settled()).text
    assert "side" in (await boss.slash(general, "admin projects").settled()).text
    assert "create_session" in (await boss.slash(general, "admin audit").settled()).text
    assert "Sessions" in (await boss.slash(general, "admin sessions").settled()).text
    confirm = await ann.slash(thread, "session clear").settled()
    await ann.click(shown(confirm), "Just end it").settled()
    assert bot.house.rows("SELECT status FROM sessions WHERE title = 'Other work' ORDER BY status")[0] == (
        "ended",
    )
    confirm = await boss.slash(general, "admin clear-all").settled()
    await boss.click(shown(confirm), "End everything").settled()
    await bot.stop()


async def test_what_was_written_while_the_bot_was_away_is_answered_at_its_next_start(bot: Bot) -> None:
    thread = await bot.claude("demo:text One")
    old = await bot.answered(thread, "One")
    assert await bot.stop() == 0
    bot.ann.send(thread, "demo:text Two")
    bot.ann.send(thread, "demo:text Three")
    await bot.start()
    await bot.answered(thread, "DEMO: Three")
    await bot.answered(thread, "DEMO: Two")
    opened = await bot.ann.click(old, "⋯").settled()
    assert "Branched into" in (await bot.ann.click(shown(opened), "Branch").settled()).text


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        pytest.param({"DISCORD_TOKEN": "wrong"}, "Copy it anew", id="a wrong token"),
        pytest.param({"ALLOWED_USER_IDS": "", "ADMIN_USER_IDS": ""}, "ALLOWED_USER_IDS", id="nobody allowed"),
    ],
)
async def test_what_cannot_work_ends_with_a_sentence(
    house: House, fake: FakeDiscord, variables: dict[str, str], sentence: str
) -> None:
    async with bot_in(house, fake) as bot:
        code, log = await bot.run_to_the_end(**variables)
        assert code != 0
        assert sentence in log
        assert "Traceback" not in log
