"""Carries out the person's input: prompts, decisions, commands, and the choice of the open session."""

import uuid
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, assert_never

import api as c
from api.access import Actor
from console import commands as slash
from console import render
from console.branch_commands import merge_preview
from console.checkpoints import TypedCheckpoints
from console.follower import Follower
from console.retrying import retry
from console.screen import Decided, Left, Screen, Typed
from console.shown_store import ShownStore
from sessions.errors import CoreLost, PromptRefused, SessionError, SessionNotFound, TemplateNotFound
from sessions.model import Lifecycle, PermissionMode, is_session_id
from sessions.work_directory import DEFAULT_PROJECT
from texts.whole_numbers import whole_number

_MOST_OF_A_SUMMARY = 1_200
_CHANNEL = "terminal:chat"
_LISTED = 20
_MOST_SEARCHED = 200
_ON_WHAT_IS_THERE = (
    slash.StopTurn
    | slash.Retry
    | slash.NewBranch
    | slash.PickBranch
    | slash.ListPermissions
    | slash.TakeBack
    | slash.ListCheckpoints
    | slash.WithCheckpoint
)
"""Commands that a new session has nothing for, so they begin none in an empty chat."""


@dataclass(frozen=True, slots=True)
class ChatWish:
    """The wish from the command line. Without a `session_id` it means the last session, or a new one."""

    session_id: str = ""
    project: str = ""
    model: str = ""
    mode: str = ""
    is_demo: bool = False
    greeting: tuple[str, ...] = ()


class TypedInput:
    """Carries out input in order, for the session that `follower` shows."""

    def __init__(
        self, actor: Actor, store: ShownStore, wish: ChatWish, screen: Screen, follower: Follower
    ) -> None:
        self._actor = actor
        self._store = store
        self._wish = wish
        self._screen = screen
        self._follower = follower
        self._listed: Sequence[str] = ()
        self._permissions: Sequence[int] = ()
        self._checkpoints = TypedCheckpoints(actor, screen)
        self._unconfirmed: tuple[str, str] | None = None  # a prompt and its origin

    async def run(self, core: c.Core) -> None:
        """Carry out input in order until the person leaves. Raises `CoreLost`.

        A prompt that the previous core did not confirm comes first.
        """
        # Only a prompt is repeated. Other input that a lost core did not answer shows on the screen, and can be
        # given again.
        if self._unconfirmed is not None:
            await self._try(self._send(core, *self._unconfirmed))
        while True:
            wish = await self._screen.wishes.get()
            match wish:
                # What was typed before it is carried out by now: wishes are taken in order.
                case Left():
                    return
                case Decided(ask=ask, decision=decision):
                    answer = c.AnswerAsk(session_id=self._follower.session_id, ask_id=ask.id, decision=decision)
                    await self._try(self._do(core, answer))
                case Typed(text=text):
                    command = slash.parse_slash(text)
                    if isinstance(command, slash.Quit):
                        return
                    work = self._prompt(core, text) if command is None else self._command(core, command)
                    await self._try(work)
                case _:
                    assert_never(wish)

    async def interrupt_when_asked(self, core: c.Core) -> None:
        """Interrupt Claude whenever the person asks for it; never returns. Raises `CoreLost`."""
        while True:
            await self._screen.interrupted.wait()
            self._screen.interrupted.clear()
            if self._follower.session_id:
                await self._try(self._interrupt(core))

    async def _try(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work`; show a refusal to the person as a sentence. Raises `CoreLost`."""
        try:
            await work
        except CoreLost:
            raise
        except SessionError as error:
            self._screen.say(render.render_line(f"! {error}", "yellow", self._screen.columns))

    async def _do(self, core: c.Core, command: c.SessionCommand[Any]) -> None:
        await core.perform(self._actor, command)

    async def _interrupt(self, core: c.Core) -> None:
        await core.perform(self._actor, c.Interrupt(session_id=self._follower.session_id))

    async def _prompt(self, core: c.Core, text: str) -> None:
        # Kept with its origin until the core has answered: sent again after a lost core, it makes no second
        # turn.
        self._unconfirmed = (text, f"terminal:{uuid.uuid4()}")
        await self._send(core, *self._unconfirmed)

    async def _send(self, core: c.Core, text: str, origin: str) -> None:
        """Send a prompt; a repeated origin gives the same turn."""
        try:
            session_id = await self._some_session(core)
            await core.perform(self._actor, c.SendMessage(session_id=session_id, content=text, origin=origin))
        except CoreLost:
            raise
        # A refusal is an answer: repeated, the prompt would be refused again at the next core.
        except SessionError:
            self._unconfirmed = None
            raise
        self._unconfirmed = None

    async def _command(self, core: c.Core, command: slash.SlashCommand) -> None:
        if isinstance(command, _ON_WHAT_IS_THERE) and not self._follower.session_id:
            self._screen.remark("Nothing runs here yet. The first prompt begins a session.")
            return
        match command:
            case slash.Help():
                self._screen.say(render.render_guide(slash.GUIDE, self._screen.columns))
            case slash.NotUnderstood(sentence=sentence):
                self._screen.remark(sentence)
            case slash.ListSessions():
                await self._list(core)
            case slash.ListTemplates() | slash.UseTemplate() | slash.KeepTemplate():
                await self._templates(core, command)
            case slash.SearchFor(text=text):
                await self._search(core, text)
            case slash.SwitchTo(target=target):
                await self._switch(core, target)
            case slash.NewSession(project=project):
                self._follower.open(await self._create(core, project))
            case slash.NewBranch(own_copy=own_copy):
                await self._branch(core, own_copy=own_copy)
            case slash.PickBranch(name=name):
                await self._pick(core, name)
            case slash.Quit():
                pass
            case slash.StopTurn():
                await self._some_session(core)
                await self._interrupt(core)
            case slash.ListPermissions():
                await self._list_permissions(core, await self._some_session(core))
            case slash.TakeBack(number=number):
                await self._take_back(core, await self._some_session(core), number)
            case slash.ListCheckpoints() | slash.WithCheckpoint():
                await self._checkpoints.do(core, await self._some_session(core), command)
            case slash.Retry(files=files):
                await retry(core, self._actor, self._screen.remark, await self._some_session(core), files)
            case slash.OfBridge(command=wish, said=said):
                self._screen.remark(said(await core.perform(self._actor, wish)))
            case slash.RestoreSessionBackup(backup_id=backup_id, project=project):
                await self._restore_backup(core, backup_id, project)
            case slash.OfSession():
                await self._on_session(core, command)
            case _:
                assert_never(command)

    async def _on_session(self, core: c.Core, command: slash.OfSession) -> None:
        wish = command.make(await self._some_session(core), f"terminal:{uuid.uuid4()}")
        try:
            reply = await core.perform(self._actor, wish)
        except PromptRefused as error:
            raise PromptRefused(f"{error} {command.hint}".rstrip()) from error
        if sentence := command.said(reply):
            self._screen.remark(sentence)

    async def _restore_backup(self, core: c.Core, backup_id: str, project: str) -> None:
        """Restore a session's backup, and open the session that goes on."""
        restore = c.RestoreBackup(backup_id=backup_id, channel_id=_CHANNEL, project=project)
        info = await core.perform(self._actor, restore)
        self._store.set_current(info.id)
        self._follower.open(info.id)
        self._screen.remark(f"The session goes on here, with its files in the project {info.project}.")

    async def _list_permissions(self, core: c.Core, session_id: str) -> None:
        found = await core.perform(self._actor, c.ReadPermissions(session_id=session_id))
        self._permissions = [rule.id for rule in found.rules]
        self._screen.say(render.render_permissions(found.rules, self._screen.columns))

    async def _take_back(self, core: c.Core, session_id: str, number: int) -> None:
        if not 1 <= number <= len(self._permissions):
            self._screen.remark("There is no such number. /permissions prints the list.")
            return
        # By the id that was listed under this number: another face may have taken a rule back since.
        rule_id = self._permissions[number - 1]
        await self._do(core, c.TakeBackPermission(session_id=session_id, rule_id=rule_id))
        await self._list_permissions(core, session_id)

    async def first_session(self, core: c.Core) -> str:
        """Return the session to open first, or "": the first prompt creates one. Raises `SessionNotFound`."""
        wish = self._wish
        if wish.session_id:
            info = await core.perform(self._actor, c.GetSession(session_id=wish.session_id))
            self._store.set_current(info.id)
            return info.id
        if wish.project or wish.model or wish.mode:
            return await self._create(core, wish.project)
        # The session of the last chat may be deleted, and without a last chat the id is empty.
        with suppress(SessionNotFound):
            info = await core.perform(self._actor, c.GetSession(session_id=self._store.current()))
            if info.lifecycle is not Lifecycle.ENDED:
                return info.id
        return ""

    async def _some_session(self, core: c.Core) -> str:
        """Return the open session, or create one. So late, because an unused chat must leave no session."""
        if not self._follower.session_id:
            self._follower.open(await self._create(core, self._wish.project))
        return self._follower.session_id

    async def _create(self, core: c.Core, project: str) -> str:
        mode = PermissionMode(self._wish.mode) if self._wish.mode else None
        create = c.CreateSession(channel_id=_CHANNEL, project=project, model=self._wish.model, mode=mode)
        info = await core.perform(self._actor, create)
        self._store.set_current(info.id)
        await self._tell_last(core, info.project or DEFAULT_PROJECT)
        return info.id

    async def _tell_last(self, core: c.Core, project: str) -> None:
        """Say how the last session of the project ended, as Discord does; nothing without a summary."""
        listing = c.ListFolders(project=project, archived=True, limit=1)
        try:
            last = (await core.perform(self._actor, listing)).folders
        except SessionError:
            return  # the session is made; a repeat would make another one
        if last and (summary := last[0].summary.strip()):
            self._screen.remark(f"The last session here ({last[0].name}): {summary[:_MOST_OF_A_SUMMARY]}")

    async def _branch(self, core: c.Core, *, own_copy: bool) -> None:
        """Branch the open session at its last turn, and open the branch."""
        parent = await self._some_session(core)
        wish = c.Branch(session_id=parent, channel_id=_CHANNEL, own_copy=own_copy)
        info = await core.perform(self._actor, wish)
        self._follower.open(info.id)
        self._screen.remark(f"This is the branch now. /switch {parent[:13]} goes back.")

    async def _pick(self, core: c.Core, name: str) -> None:
        """Open a branch of the open session, and show what merging it would do."""
        parent = await self._some_session(core)
        listed = await core.perform(self._actor, c.ListBranches(session_id=parent))
        found = next((each for each in listed.branches if each.name == name), None)
        if found is None:
            names = ", ".join(each.name for each in listed.branches)
            self._screen.remark(f"There is no such branch. There are: {names or 'none'}.")
            return
        preview = await core.perform(self._actor, c.PreviewMerge(session_id=found.session_id))
        self._follower.open(found.session_id)
        self._screen.remark(f"{merge_preview(preview)}\n/switch {parent[:13]} goes back.")

    async def _list(self, core: c.Core) -> None:
        page = await core.perform(self._actor, c.QuerySessions(limit=_LISTED))
        self._listed = [info.id for info in page.sessions]
        text = render.render_sessions(page.sessions, self._follower.session_id, self._screen.columns)
        self._screen.say(text)

    async def _templates(
        self, core: c.Core, command: slash.ListTemplates | slash.UseTemplate | slash.KeepTemplate
    ) -> None:
        known = (await core.perform(self._actor, c.ListPromptTemplates())).templates
        match command:
            case slash.ListTemplates():
                self._screen.say(render.render_templates(known, self._screen.columns))
            case slash.KeepTemplate(name=name, text=text) if text:
                await core.perform(self._actor, c.SavePromptTemplate(name=name, text=text))
                self._screen.remark("The template is kept.")
            case slash.KeepTemplate(name=name):
                template = _named(known, name)
                await core.perform(self._actor, c.DeletePromptTemplate(template_id=template.id))
                self._screen.remark("The template is deleted.")
            case slash.UseTemplate(name=name, values=values):
                template = _named(known, name)
                if len(values) > len(template.places):
                    many = len(template.places)
                    raise PromptRefused(f"The template takes {many} value{'' if many == 1 else 's'}, in order.")
                given = dict(zip(template.places, values, strict=False))
                wish = c.ReadPromptTemplate(template_id=template.id, values=given)
                filled = await core.perform(self._actor, wish)
                await self._prompt(core, filled.prompt)

    async def _search(self, core: c.Core, text: str) -> None:
        found = await core.perform(self._actor, c.Search(text=text, limit=_LISTED))
        self._listed = [place.session_id for place in found.places]
        self._screen.say(render.render_places(found, self._screen.columns))

    async def _switch(self, core: c.Core, target: str) -> None:
        if number := whole_number(target, len(self._listed)):
            target = self._listed[number - 1]
        elif not is_session_id(target):
            target = await self._completed(core, target)
        info = await core.perform(self._actor, c.GetSession(session_id=target))
        self._follower.open(info.id)

    async def _completed(self, core: c.Core, beginning: str) -> str:
        """Return the only id that begins like this, as `/sessions` prints it; else `beginning` itself."""
        page = await core.perform(self._actor, c.QuerySessions(limit=_MOST_SEARCHED))
        # Only among the newest: an older session needs its whole id.
        found = [info.id for info in page.sessions if info.id.startswith(beginning.lower())]
        return found[0] if len(found) == 1 else beginning


def _named(templates: Sequence[c.PromptTemplate], name: str) -> c.PromptTemplate:
    """Return the template of this name. Raises `TemplateNotFound`."""
    for each in templates:
        if each.name.casefold() == name.casefold():
            return each
    raise TemplateNotFound
