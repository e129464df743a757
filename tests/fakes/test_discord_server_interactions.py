"""Commands, controls and dialogs of the fake Discord, driven by people and answered by the real discord.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import discord
import pytest
from discord import app_commands

from .discord_server import Ack, FakeDiscord, MessageType, NotOffered, Permission
from .discord_server.errors import ApiError
from .discord_server.fixtures import QuietClient, connected, fake, logged_in

__all__ = ["fake"]


class Form(discord.ui.Modal, title="Say why"):
    why: discord.ui.Label[Form] = discord.ui.Label(
        text="Reason", component=discord.ui.TextInput(custom_id="why", min_length=2)
    )
    how: discord.ui.Label[Form] = discord.ui.Label(
        text="How",
        component=discord.ui.Select(
            custom_id="how", options=[discord.SelectOption(label="Slow"), discord.SelectOption(label="Fast")]
        ),
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        assert isinstance(self.why.component, discord.ui.TextInput)
        assert isinstance(self.how.component, discord.ui.Select)
        text = f"{self.why.component.value} {self.how.component.values}"
        await interaction.response.send_message(text, ephemeral=True)


class Panel(discord.ui.View):
    @discord.ui.button(label="Count", custom_id="count")
    async def count(self, interaction: discord.Interaction, button: discord.ui.Button[Panel]) -> None:
        assert interaction.message is not None
        number = int(interaction.message.content or 0) + 1
        await interaction.response.edit_message(content=str(number), view=Panel(timeout=None))

    @discord.ui.button(label="Form", custom_id="form")
    async def form(self, interaction: discord.Interaction, button: discord.ui.Button[Panel]) -> None:
        await interaction.response.send_modal(Form(custom_id=f"form:{interaction.id}"))

    @discord.ui.button(label="Quiet", custom_id="quiet")
    async def quiet(self, interaction: discord.Interaction, button: discord.ui.Button[Panel]) -> None:
        await interaction.response.defer()
        await interaction.followup.send("after all", ephemeral=True)

    @discord.ui.select(
        custom_id="colour", placeholder="Colour", options=[discord.SelectOption(label="Red", value="r")]
    )
    async def colour(self, interaction: discord.Interaction, menu: discord.ui.Select[Panel]) -> None:
        await interaction.response.send_message(f"chose {menu.values}")


class CommandBot(QuietClient):
    """A bot with one command of each kind."""

    def __init__(self, guild_id: int) -> None:
        super().__init__()
        self.guild = discord.Object(guild_id)
        self.tree = app_commands.CommandTree(self)
        self.late: asyncio.Queue[discord.Interaction] = asyncio.Queue()
        session = app_commands.Group(name="session", description="Sessions")
        session.command(name="start", description="Start")(self.start_session)
        commands: list[app_commands.Group | app_commands.Command[Any, Any, Any] | app_commands.ContextMenu] = [
            session,
            app_commands.Command(name="panel", description="A panel", callback=self.panel),
            app_commands.Command(name="slow", description="Thinks", callback=self.slow),
            app_commands.Command(name="never", description="Never answers", callback=self.never),
            app_commands.ContextMenu(name="Ask about this", callback=self.ask),
            app_commands.ContextMenu(name="Who is it", callback=self.who),
        ]
        for command in commands:
            self.tree.add_command(command, guild=self.guild)

    async def setup_hook(self) -> None:
        await self.tree.sync(guild=self.guild)
        self.add_view(Panel(timeout=None))

    @app_commands.choices(mode=[app_commands.Choice(name="Plan first", value="plan")])
    async def start_session(
        self,
        interaction: discord.Interaction,
        title: str,
        project: str = "none",
        mode: str = "default",
        owner: discord.Member | None = None,
        file: discord.Attachment | None = None,
    ) -> None:
        data = (await file.read()).decode() if file is not None else "no file"
        name = owner.name if owner is not None else "nobody"
        await interaction.response.send_message(f"{title}, {project}, {mode}, {name}, {data}", ephemeral=True)

    async def panel(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message("0", view=Panel(timeout=None))

    async def slow(self, interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True, ephemeral=True)
        await interaction.edit_original_response(content="thought about it")
        await interaction.followup.send("and more", ephemeral=True)

    async def never(self, interaction: discord.Interaction) -> None:
        self.late.put_nowait(interaction)

    async def ask(self, interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(f"about {message.content}")

    async def who(self, interaction: discord.Interaction, user: discord.Member) -> None:
        await interaction.response.send_message(f"it is {user.name}")


def _suggest_projects(bot: CommandBot) -> None:
    """Autocomplete has to be attached to the bound command."""

    async def suggest(interaction: discord.Interaction, text: str) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=f"{text}-{number}", value=str(number)) for number in range(2)]

    group = bot.tree.get_command("session", guild=bot.guild)
    assert isinstance(group, app_commands.Group)
    command = group.get_command("start")
    assert isinstance(command, app_commands.Command)
    command.autocomplete("project")(suggest)


@pytest.fixture
async def bot(fake: FakeDiscord) -> AsyncIterator[CommandBot]:
    made = CommandBot(fake.home.id)
    _suggest_projects(made)
    async with connected(fake, made):
        yield made


async def test_a_command_arrives_with_all_its_options(fake: FakeDiscord, bot: CommandBot) -> None:
    alice, bob = fake.member("alice"), fake.member("bob")
    done = await alice.slash(
        fake.general, "/session start", title="Fix", mode="Plan first", owner=bob, file=("n.txt", b"notes")
    )
    assert (done.ack, done.text, done.ephemeral) == (Ack.REPLIED, "Fix, none, plan, bob, notes", True)
    assert fake.general.messages == []
    assert "Fix, none" in fake.general.snapshot(alice.user)
    assert "Fix, none" not in fake.general.snapshot(bob.user)


@pytest.mark.parametrize(
    ("command", "values"),
    [
        ("/nothing", {}),
        ("/session", {}),
        ("/session stop", {}),
        ("/session start", {}),
        ("/session start", {"title": "x", "colour": "red"}),
        ("/session start", {"title": "x", "mode": "free text"}),
    ],
)
async def test_people_can_only_run_what_discord_offers(
    fake: FakeDiscord, bot: CommandBot, command: str, values: dict[str, str]
) -> None:
    with pytest.raises(NotOffered):
        fake.member("alice").slash(fake.general, command, **values)


async def test_a_command_for_managers_is_hidden_from_others(fake: FakeDiscord, bot: CommandBot) -> None:
    fake.site.commands.of(fake.home.id)[1].spec["default_member_permissions"] = str(
        int(Permission.MANAGE_GUILD)
    )
    with pytest.raises(NotOffered):
        fake.member("alice").slash(fake.general, "/panel")
    assert (await fake.admin.slash(fake.general, "/panel")).text == "0"


async def test_suggestions_come_while_typing(fake: FakeDiscord, bot: CommandBot) -> None:
    shown = await fake.member("alice").autocomplete(fake.general, "/session start", "project", "ab")
    assert [choice["name"] for choice in shown.choices] == ["ab-0", "ab-1"]


async def test_buttons_update_their_message_and_selects_answer_with_what_was_chosen(
    fake: FakeDiscord, bot: CommandBot
) -> None:
    alice = fake.member("alice")
    panel = (await alice.slash(fake.general, "/panel")).reply
    assert panel is not None
    assert (await alice.click(panel, "Count")).ack is Ack.UPDATED
    await alice.click(panel, "count")
    assert panel.content == "2"
    chosen = await alice.select(panel, "Colour", "Red")
    assert chosen.text == "chose ['r']"
    with pytest.raises(NotOffered):
        alice.click(panel, "No such button")


async def test_a_dialog_opens_is_filled_in_and_answered(fake: FakeDiscord, bot: CommandBot) -> None:
    alice = fake.member("alice")
    panel = (await alice.slash(fake.general, "/panel")).reply
    assert panel is not None
    opened = await alice.click(panel, "Form")
    assert opened.modal is not None
    assert opened.modal["title"] == "Say why"
    with pytest.raises(NotOffered):
        alice.submit_modal(opened, {"Reason": "x", "How": "Fast"})
    submitted = await alice.submit_modal(opened, {"Reason": "because", "how": "Fast"})
    assert (submitted.text, submitted.ephemeral) == ("because ['Fast']", True)


async def test_context_menus_carry_their_message_or_user(fake: FakeDiscord, bot: CommandBot) -> None:
    alice, bob = fake.member("alice"), fake.member("bob")
    message = bob.send(fake.general, "the question")
    about = await alice.message_menu(message, "Ask about this")
    assert about.text == "about the question"
    assert about.reply is not None
    assert about.reply.type is MessageType.CONTEXT_MENU
    assert (await alice.user_menu(fake.general, bob.user, "Who is it")).text == "it is bob"


async def test_a_deferred_answer_replaces_the_loading_message(fake: FakeDiscord, bot: CommandBot) -> None:
    alice = fake.member("alice")
    shown = await alice.slash(fake.general, "/slow").settled()
    await shown.until(lambda: shown.followups)
    assert (shown.ack, shown.text) == (Ack.DEFERRED, "thought about it\nand more")
    assert fake.general.messages == []
    panel = (await alice.slash(fake.general, "/panel")).reply
    assert panel is not None
    quiet = await alice.click(panel, "Quiet").settled()
    assert (quiet.ack, quiet.followups[0].content) == (Ack.DEFERRED_UPDATE, "after all")


async def test_the_first_follow_up_to_a_deferral_takes_the_loading_messages_place(
    fake: FakeDiscord, bot: CommandBot
) -> None:
    attempt = fake.member("alice").slash(fake.general, "/never")
    interaction = await bot.late.get()
    await interaction.response.defer(thinking=True)
    shown = await attempt
    assert "(thinking…)" in fake.general.snapshot()
    await interaction.followup.send("here it is")
    await interaction.followup.send("and a second one")
    assert [one.content for one in fake.general.messages] == ["here it is", "and a second one"]
    assert shown.reply is not None
    assert (shown.reply.content, shown.reply.edited) == ("here it is", None)


async def test_after_three_seconds_the_person_sees_a_failure_and_the_bot_gets_10062(
    fake: FakeDiscord, bot: CommandBot
) -> None:
    attempt = fake.member("alice").slash(fake.general, "/never")
    late = await bot.late.get()
    fake.advance(3)
    assert (await attempt).failure == "The application did not respond"
    with pytest.raises(discord.NotFound) as refused:
        await late.response.send_message("sorry")
    assert refused.value.code == 10062


async def test_a_second_answer_is_refused_with_40060(fake: FakeDiscord, bot: CommandBot) -> None:
    fake.member("alice").slash(fake.general, "/never")
    interaction = await bot.late.get()
    await interaction.response.send_message("first")
    interaction.response._response_type = None
    with pytest.raises(discord.HTTPException) as refused:
        await interaction.response.send_message("second")
    assert refused.value.code == 40060


async def test_the_token_dies_after_fifteen_minutes_and_the_message_does_not(
    fake: FakeDiscord, bot: CommandBot
) -> None:
    fake.member("alice").slash(fake.general, "/never")
    interaction = await bot.late.get()
    await interaction.response.send_message("first")
    message = await interaction.original_response()
    fake.advance(15 * 60)
    with pytest.raises(discord.HTTPException) as refused:
        await interaction.edit_original_response(content="too late")
    assert (refused.value.status, refused.value.code) == (401, 50027)
    await (
        bot.get_partial_messageable(fake.general.id).get_partial_message(message.id).edit(content="by the bot")
    )
    assert fake.general.last.content == "by the bot"


async def test_an_ephemeral_message_is_out_of_reach_of_channel_routes(
    fake: FakeDiscord, bot: CommandBot
) -> None:
    fake.member("alice").slash(fake.general, "/never")
    interaction = await bot.late.get()
    await interaction.response.send_message("secret", ephemeral=True)
    message = await interaction.original_response()
    with pytest.raises(discord.NotFound):
        await bot.get_partial_messageable(fake.general.id).fetch_message(message.id)
    await interaction.delete_original_response()
    with pytest.raises(discord.NotFound) as gone:
        await interaction.edit_original_response(content="still here?")
    assert gone.value.code == 10008


async def test_a_click_while_no_bot_is_there_fails_and_works_afterwards(fake: FakeDiscord) -> None:
    alice = fake.member("alice")
    async with connected(fake, CommandBot(fake.home.id)):
        panel = (await alice.slash(fake.general, "/panel")).reply
    assert panel is not None
    lost = alice.click(panel, "Count")
    fake.advance(4)
    assert (await lost).failure == "This interaction failed"
    async with connected(fake, CommandBot(fake.home.id)):
        assert (await alice.click(panel, "Count")).ack is Ack.UPDATED


async def test_commands_keep_their_ids_over_a_new_sync(fake: FakeDiscord) -> None:
    ids = []
    for _ in range(2):
        async with connected(fake, CommandBot(fake.home.id)):
            ids.append({one.name: one.id for one in fake.site.commands.of(fake.home.id)})
    assert ids[0] == ids[1]
    async with logged_in(fake) as client:
        tree = app_commands.CommandTree(client)
        await tree.sync(guild=discord.Object(fake.home.id))
    assert fake.site.commands.of(fake.home.id) == []


async def test_commands_work_in_a_dm_only_when_they_are_global(fake: FakeDiscord, bot: CommandBot) -> None:
    alice = fake.member("alice")
    with pytest.raises(NotOffered):
        alice.slash(fake.dm(alice), "/panel")
    bot.tree.copy_global_to(guild=bot.guild)
    bot.tree.add_command(app_commands.Command(name="hello", description="Hello", callback=_hello))
    await bot.tree.sync()
    assert (await alice.slash(fake.dm(alice), "/hello")).text == "hello alice None"


async def _hello(interaction: discord.Interaction) -> None:
    await interaction.response.send_message(f"hello {interaction.user.name} {interaction.guild}")


async def test_a_click_on_a_control_that_is_gone_reaches_the_bot_as_stale(
    fake: FakeDiscord, bot: CommandBot
) -> None:
    alice = fake.member("alice")
    panel = (await alice.slash(fake.general, "/panel")).reply
    assert panel is not None
    await bot.get_partial_messageable(fake.general.id).get_partial_message(panel.id).edit(view=None)
    with pytest.raises(NotOffered):
        alice.click(panel, "Count")
    assert (await alice.click(panel, "count", stale=True)).ack is Ack.UPDATED


async def test_buttons_in_an_archived_thread_work(fake: FakeDiscord, bot: CommandBot) -> None:
    alice = fake.member("alice")
    thread = alice.start_thread(fake.general, "Old")
    panel = (await alice.slash(thread, "/panel")).reply
    assert panel is not None
    thread.archive()
    assert (await alice.click(panel, "Count")).ack is Ack.UPDATED


async def test_nobody_clicks_what_only_another_sees(fake: FakeDiscord, bot: CommandBot) -> None:
    alice, bob = fake.member("alice"), fake.member("bob")
    alice.slash(fake.general, "/never")
    interaction = await bot.late.get()
    await interaction.response.send_message("0", view=Panel(timeout=None), ephemeral=True)
    shown = fake.general.ephemeral_for(alice.user)[0]
    with pytest.raises(NotOffered):
        bob.click(shown, "Count")
    await alice.click(shown, "Count")
    assert shown.content == "1"


def test_two_hundred_commands_a_day_may_be_created() -> None:
    made = FakeDiscord().site.commands
    for batch in range(2):
        made.overwrite(None, [{"name": f"c{batch}-{one}", "description": "x", "type": 1} for one in range(100)])
    with pytest.raises(ApiError) as refused:
        made.overwrite(None, [{"name": "one-more", "description": "x", "type": 1}])
    assert refused.value.code == 30034
