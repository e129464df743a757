"""The bot is a view: killed at any instant and started again, the channel reads as if nothing had happened."""

import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.e2e.discord_house import Bot, bot_in, button, has_button
from tests.e2e.house import House
from tests.fakes.discord_server import FakeDiscord, Place
from tests.fakes.discord_server.fixtures import fake

__all__ = ["fake"]

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(300)]

# What differs between two runs without meaning anything: durations, costs, times, whether a post was edited.
_NOISE = [
    (re.compile(r" · \d{1,3} %"), ""),  # measured after the turn, and shown at the card's next place
    (re.compile(r"\d{1,9}(\.\d{1,9})? s\b"), "N s"),
    (re.compile(r"\$\d+\.\d+"), "$N"),
    (re.compile(r"<t:\d+(:\w)?>"), "<t>"),
    (re.compile(r", edited"), ""),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"[▰▱]{1,20} \d{1,3} % of .*"), "N of N"),
    (re.compile(r"demo:gate \S+"), "demo:gate"),
    # Only the first session of a channel shows the hint.
    (re.compile(r"Bridge \[bot, silent\]:\n  -# Write here as you would [^\n]{1,300}\n"), ""),
]


def reading(thread: Place) -> str:
    """The channel as a person reads it."""
    text = thread.snapshot()
    for pattern, word in _NOISE:
        text = pattern.sub(word, text)
    return text


Accident = Callable[[Bot], Awaitable[None]]
_gates = itertools.count()


def new_gate() -> str:
    """A gate that nobody has opened yet."""
    return f"gate-{next(_gates)}"


async def nothing(_: Bot) -> None:
    pass


async def kill_and_start(bot: Bot) -> None:
    await bot.kill()
    await bot.start()


@pytest.fixture
async def bot(house: House, fake: FakeDiscord) -> AsyncIterator[Bot]:
    # Without the survey: the second session would be told of the first, and say so.
    house.environment["PROJECT_SURVEY"] = "false"
    async with bot_in(house, fake) as bot:
        await bot.start()
        yield bot


async def streaming(bot: Bot, accident: Accident) -> Place:
    """Killed while an answer is being written: it is completed in its old message."""
    middle = new_gate()
    thread = await bot.claude(f"demo:text Begun\ndemo:gate {middle}\ndemo:text and ended")
    await bot.gate(middle)
    await thread.wait_for_message("Begun")
    await accident(bot)
    await bot.open_gate(middle)
    await bot.answered(thread, "and ended")
    return thread


async def away_while_it_ends(bot: Bot, accident: Accident) -> Place:
    """Killed, and Claude ends its answer before the next start."""
    middle = new_gate()
    thread = await bot.claude(f"demo:text Begun\ndemo:gate {middle}\ndemo:text and ended")
    await bot.gate(middle)
    await thread.wait_for_message("Begun")
    if accident is not nothing:
        await bot.kill()
    await bot.open_gate(middle)
    if accident is not nothing:
        await bot.start()
    await bot.answered(thread, "and ended")
    return thread


async def open_ask(bot: Bot, accident: Accident) -> Place:
    """Killed at an open ask: its buttons work afterwards, and nobody is asked twice."""
    made = bot.house.project / "allowed.txt"
    made.unlink(missing_ok=True)  # of the scene before this one, where it would be no change
    thread = await bot.claude("demo:bash touch allowed.txt\ndemo:text Allowed")
    ask = await thread.wait_for_message(button("Allow once"))
    await accident(bot)
    await bot.ann.click(ask, "Allow once")
    await bot.answered(thread, "Allowed")
    assert made.exists()
    await thread.wait_for_message("1 file changed")
    return thread


async def open_dialog(bot: Bot, accident: Accident) -> Place:
    """Killed while somebody writes in a dialog: the submit works afterwards."""
    thread = await bot.claude("demo:bash touch denied.txt\ndemo:text Denied")
    ask = await thread.wait_for_message(button("Deny with note"))
    dialog = await bot.ann.click(ask, "Deny with note")
    await accident(bot)
    await bot.ann.submit_modal(dialog, {"text": "please not"})
    await bot.answered(thread, "Denied")
    assert "please not" in thread.snapshot()
    return thread


async def queued_prompts(bot: Bot, accident: Accident) -> Place:
    """Killed with prompts in the queue: each is asked once, in order; one sent meanwhile comes last."""
    first = new_gate()
    thread = await bot.claude(f"demo:gate {first}\ndemo:text One")
    await bot.gate(first)
    await thread.wait_for_message("Claude is working")  # or the next prompt comes before it
    bot.ann.send(thread, "demo:text Two")
    await thread.wait_for_message(lambda one: "Queued" in one.text and "Two" in one.text)
    if accident is nothing:
        bot.ann.send(thread, "demo:text Three")
        await thread.wait_for_message(lambda one: "Queued" in one.text and "Three" in one.text)
    else:
        await bot.kill()
        bot.ann.send(thread, "demo:text Three")
        await bot.start()
        await thread.wait_for_message(lambda one: "Queued" in one.text and "Three" in one.text)
    await bot.open_gate(first)
    await bot.answered(thread, "DEMO: Three")
    await thread.wait_for(lambda place: not [one for one in place.from_bot if "Queued" in one.text])
    return thread


async def between_post_and_answer(bot: Bot, accident: Accident) -> Place:
    """Killed after Discord has made the post and before the bot knows: the post is found, not made again."""
    thread = await bot.claude("demo:text First")
    await bot.answered(thread, "First")
    held = bot.fake.faults.hold("POST /channels/*/messages") if accident is not nothing else None
    bot.ann.send(thread, "demo:text Second")
    if held is not None:
        await held.reached.wait()
        await bot.kill()
        held.release()
        await bot.start()
    await bot.answered(thread, "Second")
    return thread


async def between_command_and_thread(bot: Bot, accident: Accident) -> Place:
    """Killed after `/claude` was acknowledged, while its thread is made: the next start finishes it."""
    known = {thread.id for thread in bot.fake.general.threads}
    thread_route = "POST /channels/*/messages/*/threads"
    held = bot.fake.faults.hold(thread_route) if accident is not nothing else None
    attempt = bot.ann.slash(bot.fake.general, "claude", prompt="demo:text Begun at last")
    if held is not None:
        await held.reached.wait()
        await bot.kill()
        held.release()
        await bot.start()
    thread = await bot.fake.general.wait_for_thread(lambda each: each.id not in known)
    await bot.answered(thread, "Begun at last")
    outcome = await attempt.settled()
    assert "asks Claude" in outcome.text
    assert len(bot.fake.general.threads) == len(known) + 1
    return thread


SCENES = [
    between_command_and_thread,
    streaming,
    away_while_it_ends,
    open_ask,
    open_dialog,
    queued_prompts,
    between_post_and_answer,
]


@pytest.mark.parametrize("scene", SCENES)
async def test_after_a_kill_the_channel_reads_as_if_nothing_had_happened(
    bot: Bot, scene: Callable[[Bot, Accident], Awaitable[Place]]
) -> None:
    undisturbed = await scene(bot, nothing)
    disturbed = await scene(bot, kill_and_start)
    await settled(bot, undisturbed)
    await settled(bot, disturbed)
    assert reading(disturbed) == reading(undisturbed)


async def settled(bot: Bot, thread: Place) -> None:
    """Wait until the thread says that Claude is done, and only the last answer has its row of buttons.

    The status card, the card of an answered ask and buttons that go wait for a place among Discord's edits.
    """
    await thread.wait_for(lambda place: any("ready" in one.text and "$" in one.text for one in place.from_bot))
    await thread.wait_for(lambda place: sum(has_button(one, "Regenerate") for one in place.from_bot) < 2)
    await thread.wait_for(lambda place: not any(has_button(one, "Stop") for one in place.from_bot))
    await thread.wait_for(lambda place: not any(has_button(one, "Allow once") for one in place.from_bot))
