"""`init`, answered by a script: each answer is checked at once, and `.env` is written last, private."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bridge.env_file import read_lines
from bridge.first_run import first_run, init
from bridge.settings_loading import load_settings
from tests.fakes.discord_server import FakeDiscord, payloads
from tests.fakes.discord_server.permissions import Permission

Answer = str | Callable[[], str]


class Script:
    """Answers in order; afterwards nobody is there any more."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = list(answers)
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def ask(self, question: str) -> str:
        self.said.append(question)
        if not self._answers:
            raise EOFError
        answer = self._answers.pop(0)
        return answer if isinstance(answer, str) else answer()

    ask_secret = ask

    @property
    def text(self) -> str:
        return "\n".join(self.said)


@pytest.fixture(autouse=True)
def place(clean_place: Path) -> Path:
    return clean_place / ".env"


async def run(discord: FakeDiscord, place: Path, *answers: Answer) -> tuple[int, Script]:
    script = Script(answers)
    return await asyncio.to_thread(first_run, script, place, f"{discord.url}/api/v10"), script


async def test_five_answers_make_a_file_that_starts_a_bot(discord: FakeDiscord, place: Path) -> None:
    code, script = await run(discord, place, discord.token, "", "", "", "data-here")
    assert (code, script.text) == (0, script.text)
    owner = discord.site.world.owner.id
    assert {name: value for name, value in read_lines(place).values.items() if value} == {
        "DISCORD_TOKEN": discord.token,
        "ALLOWED_GUILD_IDS": str(discord.home.id),
        "ALLOWED_USER_IDS": str(owner),
        "ADMIN_USER_IDS": str(owner),
        "DATA_DIR": "data-here",
    }
    assert place.stat().st_mode & 0o777 == 0o600
    assert "# The bot's token" in place.read_text()
    assert discord.token not in script.text


async def test_a_wrong_answer_is_asked_again_with_what_to_do(discord: FakeDiscord, place: Path) -> None:
    code, script = await run(
        discord, place, "wrong", discord.token, "no id", "", "12", str(discord.admin.id), "bin/claude/x", "", ""
    )
    assert code == 0
    assert "Reset Token" in script.text
    assert script.text.count("Ids are numbers") == 2
    assert "cannot be a directory" in script.text
    written = read_lines(place).values
    assert written["ALLOWED_USER_IDS"] == written["ADMIN_USER_IDS"] == str(discord.admin.id)


async def test_the_intent_is_checked_again_until_it_is_on(
    discord: FakeDiscord, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = payloads.application
    granted = False

    def shown(*of: object) -> dict[str, object]:
        return application(*of) | {"flags": 1 << 18 if granted else 0}  # type: ignore[arg-type]  # as it is called

    def switch_on() -> str:
        nonlocal granted
        granted = True
        return ""

    monkeypatch.setattr(payloads, "application", shown)
    code, script = await run(discord, place, discord.token, switch_on, "", "", "", "")
    assert code == 0
    assert script.text.index("intent is off") < script.text.index("intent is on")


async def test_a_bot_without_a_server_is_invited_and_then_found(discord: FakeDiscord, place: Path) -> None:
    del discord.home.members[discord.bot.id]

    def invite() -> str:
        discord.guild("New", discord.admin)
        return ""

    code, script = await run(discord, place, discord.token, invite, "", "", "", "")
    assert code == 0
    assert "Invite it: https://discord.com/oauth2/authorize?" in script.text
    assert "The bot is in New" in script.text


async def test_lacking_permissions_are_told_and_may_be_taken_all_the_same(
    discord: FakeDiscord, place: Path
) -> None:
    poor = discord.guild("Poor", discord.admin, bot_permissions=int(Permission.VIEW_CHANNEL))
    poor.roles[poor.id].permissions = 0
    code, script = await run(discord, place, discord.token, str(poor.id), "y", "", "", "")
    assert code == 0
    assert "the bot lacks" in script.text
    assert read_lines(place).values["ALLOWED_GUILD_IDS"] == str(poor.id)


async def test_no_token_means_the_terminal_and_no_question_about_discord(
    discord: FakeDiscord, place: Path
) -> None:
    code, script = await run(discord, place, "", "", "")
    assert code == 0
    assert list(discord.requests) == []
    assert "servers" not in script.text


async def test_projects_inside_the_bridges_own_files_are_refused_at_once(
    discord: FakeDiscord, place: Path
) -> None:
    code, script = await run(discord, place, "", "data/projects", "", "elsewhere", "")
    assert (code, "WORKSPACE_ROOT lies in DATA_DIR" in script.text) == (0, True)
    assert {name: value for name, value in read_lines(place).values.items() if value} == {
        "WORKSPACE_ROOT": "elsewhere"
    }


@pytest.mark.parametrize(
    "name", ["it's ${HOME} and $HOME", 'a "b" #c = \\', "-x*?", "ünï\u2028☃", "'all of it'", "a\tb"]
)
async def test_a_directory_of_any_name_is_the_same_when_the_settings_are_read(
    discord: FakeDiscord, place: Path, name: str
) -> None:
    (place.parent / name).mkdir()
    code, script = await run(discord, place, "", name, "")
    assert code == 0, script.text
    assert load_settings(place).workspace_root == place.parent / name


@pytest.mark.parametrize("name", ["caf\udce9", "a\0b", "~nobody-of-that-name/x"])
async def test_a_directory_that_no_file_of_settings_can_name_is_asked_again(
    discord: FakeDiscord, place: Path, name: str
) -> None:
    code, script = await run(discord, place, "", name, "good", "")
    assert code == 0, script.text
    assert "WORKSPACE_ROOT is" in script.text
    assert load_settings(place).workspace_root == place.parent / "good"


@pytest.mark.parametrize("token", ["caf\udce9", "a\rb", "a\nb", "tök en", "a\0b"])
async def test_a_token_of_signs_that_no_token_has_is_refused_in_words(
    discord: FakeDiscord, place: Path, token: str
) -> None:
    code, script = await run(discord, place, token, "", "", "")
    assert code == 0, script.text
    assert "token" in script.text
    assert load_settings(place).discord_token is None


async def test_a_directory_that_nobody_can_make_is_asked_again(discord: FakeDiscord, place: Path) -> None:
    code, script = await run(discord, place, "", "/proc/projects", "", "")
    assert (code, "/proc cannot be written by this user" in script.text) == (0, True)


async def test_a_claude_that_is_missing_can_be_mended_meanwhile_or_skipped(
    discord: FakeDiscord, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write_text("CLAUDE_COMMAND=no-such-program\n")
    code, script = await run(discord, place, "y", "", "", "", "", "skip")
    assert code == 0
    assert script.text.count("no-such-program") == 2


@pytest.mark.parametrize("answer", ["", "n", "no"])
async def test_an_existing_file_is_left_alone_without_a_yes(
    discord: FakeDiscord, place: Path, answer: str
) -> None:
    place.write_text("MAX_SESSIONS=4\n")
    code, _ = await run(discord, place, answer)
    assert (code, place.read_text()) == (0, "MAX_SESSIONS=4\n")


async def test_changing_keeps_what_was_not_asked_for_and_offers_what_was_there(
    discord: FakeDiscord, place: Path
) -> None:
    place.write_text(
        f"# mine\nMAX_SESSIONS=4\nDISCORD_TOKEN={discord.token}\nDATA_DIR=old\nADMIN_USER_IDS={10**17}\n"
    )
    code, _ = await run(discord, place, "yes", "", "", "", "", "")
    assert code == 0
    assert place.read_text().startswith(
        f"# mine\nMAX_SESSIONS=4\nDISCORD_TOKEN={discord.token}\nDATA_DIR=old\nADMIN_USER_IDS={10**17}\n"
    )


async def test_who_leaves_in_the_middle_has_changed_nothing(discord: FakeDiscord, place: Path) -> None:
    code, script = await run(discord, place, discord.token)
    assert code == 1
    assert "Nothing was written" in script.text
    assert not place.exists()


async def test_a_variable_that_comes_before_the_file_is_told(
    discord: FakeDiscord, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_DIR", "elsewhere")
    _, script = await run(discord, place, "", "", "mine")
    assert "the environment has another DATA_DIR" in script.text


def test_without_a_terminal_it_says_what_to_do(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    assert init(place) == 2
    assert ".env.example" in capsys.readouterr().err
