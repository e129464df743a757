"""The controls under answers and on queue posts: stop, continue, regenerate, branch, model, files and more."""

from contextlib import suppress

import discord
from msgspec.structs import replace

from api import (
    Continue,
    ExportBundle,
    ExportSession,
    FilesChanged,
    GetSession,
    GoOnFrom,
    Interrupt,
    JoinQueued,
    ListProjects,
    LookCloser,
    MoveSession,
    ReadTurn,
    ReadTurns,
    Regenerate,
    RewindFiles,
    RunCommand,
    SendNow,
    SetModel,
    TryNow,
    TurnView,
    WithdrawQueued,
)
from api.access import Action
from api.words.checkpoints import KEEP_FILES, PUT_BACK, put_back_question
from bot.answer_buttons import Answer, opened_answer
from bot.bodies import Button, Card, Control, File, Plain, Style, Verb
from bot.entry import Reply
from bot.errors import CONNECTION_BROKEN, Refused
from bot.face import Face
from bot.markdown.cards import escape_inline
from bot.members import Members
from bot.opening import BranchWish, Opener, Spot
from bot.outgoing_files import files_of, written_files
from bot.panels import details_file, model_panel, project_panel
from bot.rows import Place, insert_controls, load_fact, load_place
from bot.turn_store import chosen_fact
from bot.wording import counted, model_words, size
from sessions.model import ExportFormat, Lifecycle, ToolCall, TurnKind, TurnStatus

_KEEP = "keep"
_PUT_BACK = "put back"
DEFAULT_FILE_LIMIT = 10 * 2**20  # in a server without boosts; the interaction names the real one
_RECENT = 50


class TurnControls:
    """Carries out uses of turns' controls; see `controls.Controls`. Commands call the public methods."""

    def __init__(self, face: Face, client: discord.Client, opener: Opener, members: Members) -> None:
        self._face = face
        self._client = client
        self._opener = opener
        self._members = members

    async def handle(self, reply: Reply, control: Control, values: tuple[str, ...]) -> None:
        """Carry out one use of a turn's control."""
        perform = self._face.core.perform
        session_id, turn_id = control.session_id, control.subject
        match control.verb:
            case Verb.STOP:
                await self.stop(reply, session_id)
            case Verb.CONTINUE:
                await perform(reply.actor, Continue(session_id=session_id, origin=reply.origin))
            case Verb.REGENERATE:
                await self.regenerate(reply, session_id, turn_id, keep_files=control.detail == _KEEP)
            case Verb.REWIND_FILES:
                await self._put_back(reply, control)
            case Verb.BRANCH:
                await self.branch(reply, session_id, turn_id or None)
            case Verb.MODEL:
                await self._model(reply, session_id, values)
            case Verb.MOVE:
                await self._move(reply, session_id, values)
            case Verb.USE_MODEL:
                await self._model(reply, session_id, (control.detail,))
            case Verb.TRY_NOW:
                await self._try_now(reply, session_id)
            case Verb.LOOK_CLOSER | Verb.WRITE_GUIDE:
                await self._get_to_know(reply, control)
            case Verb.EXPORT:
                await self.export(reply, ExportSession(session_id=session_id))
            case Verb.FILES:
                await self._files(reply, session_id, turn_id)
            case Verb.ALTERNATIVE:
                # Needs the right to prompt: it changes the answer that everybody in the thread sees.
                await self._face.check(reply.actor, Action.PROMPT, session_id)
                await self._face.view.choose_alternative(session_id, turn_id, control.detail)
            case Verb.DETAILS:
                turn = await perform(reply.actor, ReadTurn(session_id=session_id, turn_id=turn_id))
                await reply.say(Plain("What Claude did in this turn:", files=(details_file(turn),)))
            case Verb.GO_ON_FROM:
                await perform(reply.actor, GoOnFrom(session_id=session_id, turn_id=turn_id))
            case Verb.OPEN_ANSWER:
                body = opened_answer(await self._answer(reply, session_id, turn_id))
                await self._face.db.write(insert_controls(body))
                await reply.say(body)
            case Verb.CANCEL_QUEUED:
                await perform(reply.actor, WithdrawQueued(session_id=session_id, turn_id=turn_id))
            case Verb.JOIN_QUEUED:
                turn_ids = tuple(control.detail.split(","))
                wish = JoinQueued(session_id=session_id, turn_ids=turn_ids, origin=reply.origin)
                await perform(reply.actor, wish)
            case Verb.SEND_NOW:
                await perform(reply.actor, SendNow(session_id=session_id, turn_id=turn_id))
            case _:
                raise Refused("This control has no meaning here.")

    # --- shared with commands ---------------------------------------------------------------------------

    async def stop(self, reply: Reply, session_id: str) -> None:
        """Interrupt the running turn, and answer with what was kept."""
        stopped = await self._face.core.perform(reply.actor, Interrupt(session_id=session_id))
        if not stopped.was_running:
            await reply.say("Nothing was running.")
            return
        await reply.say("Stopped. What Claude has said and done so far is kept; the session stays ready.")

    async def regenerate(self, reply: Reply, session_id: str, turn_id: str, *, keep_files: bool) -> None:
        """Ask the last prompt again. If its answer changed files, first offer to put them back or keep them."""
        last = await self._last_prompt(reply, session_id)
        # Claude's rewind drops what came later, so only the last prompt can be asked again.
        if turn_id and turn_id not in (last.turn.id, last.turn.alternative_of):
            raise Refused("Only the last answer can be asked again. For an earlier one, use Branch there.")
        if not keep_files and any(_writes(last)):
            # A dry run: nothing changes before the person has chosen.
            changed = await self._face.core.perform(
                reply.actor, RewindFiles(session_id=session_id, turn_id=last.turn.id)
            )
            if changed.paths:
                await self._offer(reply, session_id, last.turn.id, changed)
                return
        await self._face.core.perform(reply.actor, Regenerate(session_id=session_id, origin=reply.origin))

    async def branch(
        self, reply: Reply, session_id: str, turn_id: str | None, *, own_copy: bool = True
    ) -> None:
        """Branch the session at a turn into a new thread, and link the two threads."""
        await self._face.check(reply.actor, Action.PROMPT, session_id)
        await reply.think(ephemeral=False)
        info = await self._face.core.perform(reply.actor, GetSession(session_id=session_id))
        place = await load_place(self._face.db, session_id)
        spot = await self._beside(place, reply)
        name = f"{info.title or 'Session'} (branch)"
        wish = BranchWish(info.id, turn_id, own_copy=own_copy)
        made, branch = await self._opener.open_branch(reply.actor, spot, wish, name)
        await self._opener.bring_in(reply.actor, made.channel_id)
        files = " with its own copy of the files" if branch.has_own_copy and own_copy else ""
        await reply.say(
            f"Branched into <#{made.channel_id}>{files}. This session stays as it is.", ephemeral=False
        )
        origin = reply.interaction.message
        here = place.channel_id if place is not None else spot.channel_id
        link = origin.jump_url if origin is not None and not origin.flags.ephemeral else f"<#{here}>"
        # The branch is there: a lost link reported as a failure would make people branch a second time.
        with suppress(discord.HTTPException, *CONNECTION_BROKEN):
            await self._client.get_partial_messageable(made.channel_id).send(
                f"-# “{escape_inline(branch.title or name, 80)}” goes on from {link}.", silent=True
            )

    async def export(self, reply: Reply, wish: ExportSession) -> None:
        """Answer with the session as a file, which only the person sees."""
        await reply.think()
        file = await self._face.core.perform(reply.actor, wish)
        limit, words = file_limit(reply), "The session as a file:"
        # Uploads are most of such a file, and the conversation is of use without them.
        if len(file.data) > limit and wish.format is ExportFormat.JSON:
            file = await self._face.core.perform(reply.actor, replace(wish, with_uploads=False))
            words = "The session as a file. The files of its prompts are not in it: too large for Discord."
        if len(file.data) > limit:
            raise Refused(
                f"The export is too large for Discord ({size(len(file.data))}, at most {size(limit)})."
                " An admin can make it on the machine."
            )
        await self.check_again(reply, wish)
        await reply.say(Plain(words, files=(File(file.name, file.data, "The session"),)))

    async def check_again(self, reply: Reply, wish: ExportSession | ExportBundle) -> None:
        """Raise `NotAllowed` if the person lost the right to the file that was made for `wish`.

        The core has looked at the shares again, but the roles are those of the interaction's begin.
        """
        who = reply.interaction
        actor = await self._members.source(who.user.id, who.guild_id or 0)()
        await self._face.check(actor, wish.action, wish.session_id)

    async def _try_now(self, reply: Reply, session_id: str) -> None:
        await reply.will_update()
        await self._face.core.perform(reply.actor, TryNow(session_id=session_id))
        await reply.update(Card(("The next prompt is sent now.",)))

    async def _get_to_know(self, reply: Reply, control: Control) -> None:
        """Let Claude survey the project, or write its guidance."""
        session_id, origin, perform = control.session_id, reply.origin, self._face.core.perform
        if control.verb is Verb.LOOK_CLOSER:
            await perform(reply.actor, LookCloser(session_id=session_id, origin=origin))
        else:
            await perform(reply.actor, RunCommand(session_id=session_id, name="init", origin=origin))

    # --- the parts --------------------------------------------------------------------------------------

    async def _answer(self, reply: Reply, session_id: str, turn_id: str) -> Answer:
        """Return the present answer that the posts of a turn show."""
        perform = self._face.core.perform
        info = await perform(reply.actor, GetSession(session_id=session_id))
        newest = await perform(reply.actor, ReadTurn(session_id=session_id, turn_id=turn_id))
        root = newest.turn.alternative_of or newest.turn.id
        before = ReadTurns(session_id=session_id, before=newest.turn.number + 1, limit=_RECENT)
        near = (await perform(reply.actor, before)).turns if newest.turn.alternative_of else (newest,)
        group = [each for each in reversed(near) if root in (each.turn.id, each.turn.alternative_of)]
        group = [each for each in group if each.turn.status is not TurnStatus.WITHDRAWN]
        chosen = await load_fact(self._face.db, chosen_fact(root))
        shown = next((each for each in group if each.turn.id == chosen), newest)
        return Answer(
            turn=shown.turn,
            posts_of=turn_id,
            files=max(len(files_of(shown.contents, info.work_directory_name)), shown.turn.changed_files),
            has_calls=any(isinstance(block, ToolCall) for block in shown.contents),
            alternatives=tuple(each.turn.id for each in group),
            followed=info.goes_on_from or "",
            is_last=info.last_turn in (None, turn_id),
            session_has_ended=info.lifecycle is Lifecycle.ENDED,
        )

    async def _last_prompt(self, reply: Reply, session_id: str) -> TurnView:
        page = await self._face.core.perform(reply.actor, ReadTurns(session_id=session_id, limit=_RECENT))
        for view in page.turns:
            if view.turn.kind is TurnKind.PROMPT:
                return view
        raise Refused("There is no answer yet. Write a prompt first.")

    async def _offer(self, reply: Reply, session_id: str, turn_id: str, changed: FilesChanged) -> None:
        keep = Control(Verb.REGENERATE, session_id, turn_id, _KEEP)
        put_back = Control(Verb.REWIND_FILES, session_id, turn_id, _PUT_BACK)
        rows = ((Button(put_back, PUT_BACK, Style.DANGER), Button(keep, KEEP_FILES)),)
        body = Card((put_back_question(changed),), rows)
        await self._face.db.write(insert_controls(body))
        await reply.say(body)

    async def _put_back(self, reply: Reply, control: Control) -> None:
        last = await self._last_prompt(reply, control.session_id)
        # The card may be old: putting the files back now would undo a later turn's work, too.
        if last.turn.id != control.subject:
            raise Refused("Another prompt came since then; nothing was changed.")
        wish = RewindFiles(session_id=control.session_id, turn_id=control.subject, dry_run=False)
        changed = await self._face.core.perform(reply.actor, wish)
        if changed.refused:
            raise Refused(changed.refused)
        wish_again = Regenerate(session_id=control.session_id, origin=reply.origin)
        await self._face.core.perform(reply.actor, wish_again)
        await reply.say(f"{counted(len(changed.paths), 'file')} put back; Claude is asked again.")

    async def _beside(self, place: Place | None, reply: Reply) -> Spot:
        """Return the spot for a branch's thread: the channel of the session's thread."""
        guild_id = reply.interaction.guild_id or 0
        here = reply.interaction.channel_id or 0
        channel_id = place.channel_id if place is not None else here
        try:
            channel = self._client.get_channel(channel_id) or await self._client.fetch_channel(channel_id)
        except discord.NotFound:
            return Spot(guild_id, here)
        if isinstance(channel, discord.Thread):
            return Spot(guild_id, channel.parent_id, private=channel.is_private())
        return Spot(guild_id, channel_id)

    async def _model(self, reply: Reply, session_id: str, values: tuple[str, ...]) -> None:
        if not values:
            await self._face.check(reply.actor, Action.MANAGE, session_id)
            info = await self._face.core.perform(reply.actor, GetSession(session_id=session_id))
            body = model_panel(info, self._face.options.models)
            await self._face.db.write(insert_controls(body))
            await reply.say(body)
            return
        await reply.will_update()
        changed = await self._face.core.perform(reply.actor, SetModel(session_id=session_id, model=values[0]))
        await reply.update(Card((f"The model is {model_words(changed.model)} from the next turn on.",)))

    async def _move(self, reply: Reply, session_id: str, values: tuple[str, ...]) -> None:
        if not values:
            await self._face.check(reply.actor, Action.MANAGE, session_id)
            info = await self._face.core.perform(reply.actor, GetSession(session_id=session_id))
            projects = (await self._face.core.perform(reply.actor, ListProjects())).names
            body = project_panel(info, projects)
            await self._face.db.write(insert_controls(body))
            await reply.say(body)
            return
        await reply.will_update()
        moved = await self._face.core.perform(
            reply.actor, MoveSession(session_id=session_id, project=values[0])
        )
        await reply.update(Card((f"The session goes on in {escape_inline(moved.project, 80)}.",)))

    async def _files(self, reply: Reply, session_id: str, turn_id: str) -> None:
        # A file of the directory is more than the thread shows, so reading along is not enough.
        await self._face.check(reply.actor, Action.PROMPT, session_id)
        core = self._face.core
        info = await core.perform(reply.actor, GetSession(session_id=session_id))
        turn = await self._face.core.perform(reply.actor, ReadTurn(session_id=session_id, turn_id=turn_id))
        await reply.think()
        bundle = await written_files(core, reply.actor, info, turn, file_limit(reply))
        if not bundle.files:
            raise Refused("\n".join(bundle.troubles) or "This turn has no files.")
        await reply.say(Plain("\n".join(("Files of this turn:", *bundle.troubles))[:2000], files=bundle.files))


def file_limit(reply: Reply) -> int:
    """Return how many bytes of files Discord takes in one message here."""
    return reply.interaction.filesize_limit or DEFAULT_FILE_LIMIT


def _writes(view: TurnView) -> list[str]:
    return [path for block in view.contents for path in getattr(block, "paths", ())]
