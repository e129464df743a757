"""`init`: asks for what a bot needs, checks each answer at once, and writes `.env` in the end.

Nothing is written before the last question, and never over a `.env` without a yes. The person is asked through
`Asker`, which blocks; each check runs in an event loop of its own, so that Ctrl-C works between them.
"""

import asyncio
import getpass
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from bridge.discord_checks import PORTAL, Bot, check_guild, check_intent, check_public, check_token
from bridge.discord_rest import API, DiscordTrouble, Guild, discord_rest
from bridge.env_file import read_lines, read_text, with_values, write_whole
from bridge.findings import Finding, Level, as_text, failed
from bridge.invocation import BAD_USAGE, FAILED, OK
from bridge.machine_checks import check_claude, check_data_directory, check_directory
from bridge.settings_errors import SettingsWrong
from bridge.settings_example import example_text
from bridge.settings_loading import load_settings
from bridge.settings_values import location
from machine.own_command import typed_bridge
from sessions.claude.launch import DEFAULT_CHILD_ENV

_ID = re.compile(r"[0-9]{15,20}")


class Asker(Protocol):
    """The person who answers. Each call blocks and raises `EOFError` once the person is gone."""

    def say(self, text: str) -> None:
        """Show one or more lines."""
        ...

    def ask(self, question: str) -> str:
        """Return the typed line without surrounding white space; empty for just Enter."""
        ...

    def ask_secret(self, question: str) -> str:
        """Like `ask`, without showing the typed text."""
        ...


class Terminal:
    """The person at this process's terminal."""

    def say(self, text: str) -> None:
        print(text, flush=True)

    def ask(self, question: str) -> str:
        return input(f"{question} ").strip()

    def ask_secret(self, question: str) -> str:
        return getpass.getpass(f"{question} ").strip()


def init(env_file: Path = Path(".env"), api: str = API) -> int:
    """Ask the person at the terminal, write `env_file`; return the exit code."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print(
            "init asks questions and needs a terminal. Without one: copy .env.example to .env (chmod 600).",
            file=sys.stderr,
        )
        return BAD_USAGE
    return first_run(Terminal(), env_file, api)


def first_run(asker: Asker, env_file: Path, api: str = API) -> int:
    """Ask `asker`, write `env_file`; return the exit code. Must not run inside an event loop."""
    try:
        if env_file.exists() and not _yes(asker, f"There is a {env_file.name} already. Change it? [y/N]"):
            asker.say("Nothing was changed.")
            return OK
        interview = _Interview(asker, _present(env_file), api)
        interview.hold()
        return _write(asker, env_file, interview.answers)
    except (EOFError, KeyboardInterrupt):
        asker.say("\nNothing was written.")
    except (OSError, UnicodeDecodeError) as error:
        asker.say(f"{env_file.name} cannot be read or written: {error}. Nothing was changed.")
    return FAILED


def _write(asker: Asker, env_file: Path, answers: dict[str, str]) -> int:
    write_whole(env_file, with_values(read_text(env_file) or example_text(), answers))
    asker.say(f"\n{env_file.name} is written; only this user may read it.")
    # A person would look for the fault in the file that they have just written.
    for name, value in answers.items():
        if os.environ.get(name) and os.environ[name] != value:
            asker.say(f"But the environment has another {name}, and that comes first.")
    try:
        # Read as a start reads it: the answers may contradict lines that were there before.
        load_settings(env_file)
    except SettingsWrong as wrong:
        asker.say(str(wrong))
        return FAILED
    typed = typed_bridge()
    asker.say(f"Start with: {typed}      Check everything again with: {typed} doctor")
    return OK


def _present(env_file: Path) -> dict[str, str]:
    return {name.upper(): value for name, value in read_lines(env_file).values.items()}


def _yes(asker: Asker, question: str) -> bool:
    return asker.ask(question).lower() in ("y", "yes")


@dataclass(slots=True)
class _Interview:
    """The questions, in order. `answers` holds the values to write; all other settings stay as they are."""

    asker: Asker
    present: dict[str, str]
    api: str
    answers: dict[str, str] = field(default_factory=dict)

    def hold(self) -> None:
        bot = self._discord()
        if bot is not None:
            self._intent(bot)
            self._show([check_public(bot)])
            self._servers(bot)
            self._people(bot)
        while True:
            projects = self._directory("WORKSPACE_ROOT", "workspaces", "Where do projects lie?")
            data = self._directory("DATA_DIR", "data", "Where shall the bridge keep its own files?")
            if not projects.is_relative_to(data):
                break
            # Both are asked again: nobody knows which of the two answers was the wrong one.
            sentence = f"WORKSPACE_ROOT lies in DATA_DIR, and nothing there is for Claude: {projects}."
            self._show([failed("directories", sentence, "Write a directory outside of it.")])
        self._claude()

    # --- Discord ----------------------------------------------------------------------------------------

    def _discord(self) -> Bot | None:
        self.asker.say(
            f"Discord. In {PORTAL}: New Application; then Bot, Reset Token, and copy the token.\n"
            "Without a token the bridge is only in the terminal."
        )
        kept = self.present.get("DISCORD_TOKEN", "")
        empty = "keep the one there" if kept else "no Discord"
        while True:
            token = self.asker.ask_secret(f"Bot token, or nothing ({empty}):") or kept
            if not token:
                return None
            finding, bot = asyncio.run(self._look_up(token))
            self._show([finding])
            if bot is not None:
                self.answers["DISCORD_TOKEN"] = token
                return bot
            # A stored token that Discord refused is not offered again, else Enter would send it for ever.
            kept, empty = "", "leave that for later"

    async def _look_up(self, token: str) -> tuple[Finding, Bot | None]:
        async with discord_rest(token, self.api) as rest:
            return await check_token(rest, token)

    def _intent(self, bot: Bot) -> None:
        while True:
            finding = check_intent(bot)
            self._show([finding])
            if finding.level is Level.OK or self._leaves_it("Done?"):
                return
            looked = asyncio.run(self._look_up(self.answers["DISCORD_TOKEN"]))[1]
            # Discord does not answer for a moment: go on with the last facts.
            bot = looked or bot

    def _servers(self, bot: Bot) -> None:
        guilds = self._guilds()
        while not guilds:
            self.asker.say(f"The bot is in no server yet. Invite it: {bot.invite}")
            if self._leaves_it("Done?"):
                return
            guilds = self._guilds()
        self.asker.say("The bot is in these servers:")
        for each in guilds:
            self.asker.say(f"  {each.id}  {each.name}")
        kept = self.present.get("ALLOWED_GUILD_IDS", "") or (guilds[0].id if len(guilds) == 1 else "")
        while True:
            ids = self._ids("Ids of the servers that it may work in", kept)
            findings = asyncio.run(self._check_servers(bot, ids))
            self._show(findings)
            if all(each.level is not Level.FAILED for each in findings) or _yes(
                self.asker, "Take these all the same? [y/N]"
            ):
                self.answers["ALLOWED_GUILD_IDS"] = ",".join(ids)
                return

    def _guilds(self) -> Sequence[Guild]:
        async def ask() -> Sequence[Guild]:
            async with discord_rest(self.answers["DISCORD_TOKEN"], self.api) as rest:
                return await rest.guilds()

        try:
            return asyncio.run(ask())
        except DiscordTrouble as trouble:
            self.asker.say(str(trouble))
            return ()

    async def _check_servers(self, bot: Bot, ids: Sequence[str]) -> list[Finding]:
        async with discord_rest(self.answers["DISCORD_TOKEN"], self.api) as rest:
            return [finding for each in ids for finding in await check_guild(rest, bot, each)]

    def _people(self, bot: Bot) -> None:
        owner = bot.application.owner
        # The owner of a team's application is an account that stands for the team.
        suggested = owner.id if owner is not None and bot.application.team is None else ""
        self.asker.say(
            "Who may use the bot? These people can do everything on this machine that this user can do.\n"
            "In Discord: Settings, Advanced, Developer Mode; then right click on a person, Copy User ID."
        )
        if suggested and owner is not None:
            self.asker.say(f"  {owner.id}  {owner.username}, who owns the application")
        kept = self.present.get("ALLOWED_USER_IDS", "") or suggested
        ids = self._ids("Ids of people", kept)
        self.answers["ALLOWED_USER_IDS"] = ",".join(ids)
        self._admins(suggested if suggested in ids else ids[0])

    def _admins(self, person: str) -> None:
        """Make the person who sets the bridge up an admin, unless somebody is one already."""
        # Without an admin nobody could decide which projects are trusted.
        if not self.present.get("ADMIN_USER_IDS"):
            self.answers["ADMIN_USER_IDS"] = person
            self.asker.say(f"{person} is an admin, who sees all sessions. ADMIN_USER_IDS names others.")

    # --- this machine -----------------------------------------------------------------------------------

    def _directory(self, setting: str, default: str, question: str) -> Path:
        kept = self.answers.get(setting, "") or self.present.get(setting, "") or default
        while True:
            written = self.asker.ask(f"{question} [{kept}]") or kept
            try:
                # Resolved like the settings do it, so that the written value means the same directory.
                path = location(written)
            except ValueError as error:
                self._show([failed(setting, f"{setting} {error}.", "Write a directory.")])
                continue
            check = (
                check_data_directory if setting == "DATA_DIR" else partial(check_directory, setting, setting)
            )
            finding = check(path)
            self._show([finding])
            if finding.level is not Level.FAILED:
                if written != default or setting in self.present or setting in self.answers:
                    self.answers[setting] = written
                return path

    def _claude(self) -> None:
        command = self.present.get("CLAUDE_COMMAND", "")
        while True:
            findings = asyncio.run(check_claude(command, DEFAULT_CHILD_ENV))
            self._show(findings)
            if all(each.level is not Level.FAILED for each in findings) or self._leaves_it("Done?"):
                return

    # --- asking -----------------------------------------------------------------------------------------

    def _ids(self, question: str, default: str) -> list[str]:
        while True:
            written = self.asker.ask(f"{question} [{default}]:" if default else f"{question}:") or default
            ids = [each for each in re.split(r"[,\s]+", written) if each]
            if ids and all(_ID.fullmatch(each) for each in ids):
                return ids
            self.asker.say("Ids are numbers of 15 to 20 digits, divided by commas or spaces.")

    def _leaves_it(self, question: str) -> bool:
        return self.asker.ask(f"{question} [Enter: check again, or write skip]").lower() == "skip"

    def _show(self, findings: Sequence[Finding]) -> None:
        self.asker.say(as_text(findings))
