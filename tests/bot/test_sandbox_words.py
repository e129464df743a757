"""People in Discord learn about the sandbox: each refusal in words, and once that none works here."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from backends.sandbox.landlock import Unavailable
from bridge.sandbox_words import news_in_a_session
from bridge.sandboxing import Sandboxing, arrange
from bridge.settings_loading import settings_from
from tests.bot.test_story import bot
from tests.bot.ways import Town, fake, town
from tests.fakes.discord_server import FakeDiscord
from tests.sessions.running_core import CoreParts, running_core

__all__ = ["fake", "town"]


@pytest.fixture
def bare() -> Iterator[None]:
    """A machine without bubblewrap and Landlock; `tests/sandbox/test_arrange.py` has real ones."""

    def no_landlock() -> int:
        raise Unavailable("this kernel is older than 5.13, or built without Landlock")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bridge.sandboxing.find_bwrap", lambda: None)
        patch.setattr("bridge.sandboxing.landlock_abi", no_landlock)
        yield


def arranged(tmp_path: Path, choice: str) -> Sandboxing:
    written = {"data_dir": str(tmp_path / "core"), "workspace_root": str(tmp_path / "ws"), "sandbox": choice}
    return arrange(settings_from(written), (), tmp_path / "core/sandbox")


@pytest.mark.usefixtures("bare")
async def test_a_sandbox_that_is_required_and_missing_is_said_in_the_thread(
    fake: FakeDiscord, town: Town, tmp_path: Path
) -> None:
    found = arranged(tmp_path, "required")
    assert found.wrapper is not None
    parts = CoreParts(wrappers=(found.wrapper,), sandbox=found.options)
    async with running_core(tmp_path / "core", parts) as core, bot(fake, core, town):
        town.ann.slash(fake.general, "claude", prompt="demo:text hi")
        thread = await fake.general.wait_for_thread()
        shown = await thread.wait_for_message("SANDBOX=required demands a sandbox")
        assert "none works on this machine. `doctor` tells why" in shown.text
        assert str(tmp_path) not in shown.text


@pytest.mark.usefixtures("bare")
async def test_the_first_session_without_a_sandbox_says_so_and_no_later_one(
    fake: FakeDiscord, town: Town, tmp_path: Path
) -> None:
    found = arranged(tmp_path, "auto")
    news = partial(news_in_a_session, found, tmp_path / "core/sandbox")
    for life in range(2):
        async with running_core(tmp_path / "core", sandbox_news=news) as core, bot(fake, core, town) as ways:
            thread, session = await ways.started(town.ann, "demo:text hi")
            assert (await core.notices(session)).count("sandbox") == (0 if life else 1)
            if not life:
                shown = await thread.wait_for_message("Claude runs without a sandbox")
                assert str(tmp_path) not in shown.text
