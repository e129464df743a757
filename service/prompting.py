"""Carries out the commands of `api/prompting.py`."""

from typing import assert_never

import api as c
from api.access import Actor
from service.parts import ServiceParts
from service.quotas import check_budget
from sessions.claude.control import FilesKept, FilesRewound
from sessions.errors import ClaudeUnavailable
from sessions.events import Noticed
from sessions.model import Ask, AskId, RuleScope, TurnId
from sessions.permission_rules import rules_given
from sessions.prompt_queue import Placed, Sender
from sessions.session import Session
from sessions.topics import Topic

_NewPrompt = c.SendMessage | c.LookCloser | c.RunCommand | c.Continue | c.Regenerate


async def talk(parts: ServiceParts, session: Session, actor: Actor, command: c.PromptingCommand) -> object:
    """Carry out `command` and return its reply. Raises the errors that its docstring and `Session` name."""
    match command:
        case c.SendMessage() | c.LookCloser() | c.RunCommand() | c.Continue() | c.Regenerate():
            # Before anything is stored: a prompt that is refused must not wait in the queue.
            await _check_budget(parts, session, actor)
            placed = await _queue(session, actor, command)
            return c.Accepted(placed.turn_id, placed.place)
        case c.EditQueued():
            await session.prompts.edit(TurnId(command.turn_id), command.content)
        case c.WithdrawQueued():
            await session.prompts.withdraw(TurnId(command.turn_id), by=actor.user_id)
        case c.JoinQueued():
            turn_ids = [TurnId(each) for each in command.turn_ids]
            sender = Sender(actor.user_id, command.origin)
            placed = await session.prompts.join(turn_ids, sender)
            return c.Accepted(placed.turn_id, placed.place)
        case c.MoveToFront():
            await session.prompts.move_to_front(TurnId(command.turn_id))
        case c.SendNow():
            await session.send_now(TurnId(command.turn_id))
        case c.TryNow():
            session.try_now()
        case c.Interrupt():
            return c.Stopped(await session.stop())
        case c.AnswerAsk():
            return await _answer(parts, session, actor, command)
        case c.RewindFiles():
            from service.checkpointing import put_turn_back

            # A checkpoint knows the changes of Bash, too; the CLI's own copies do not.
            return await put_turn_back(parts, session, command) or await _rewound(session, command)
        case _:
            assert_never(command)
    return c.Nothing()


async def _answer(parts: ServiceParts, session: Session, actor: Actor, command: c.AnswerAsk) -> Ask:
    ask_id = AskId(command.ask_id)
    ask = await session.answer(
        ask_id, command.decision, by=actor.user_id, through=actor.through, face=actor.face
    )
    given = rules_given(ask.body, command.decision)
    if given is not None and given.scope is RuleScope.PROJECT:
        # The asking session already has the new rule; the other sessions of the project get it here.
        await parts.manager.tell_rules(session.snapshot.work_directory)
    return ask


async def _queue(session: Session, actor: Actor, command: _NewPrompt) -> Placed:
    sender = Sender(actor.user_id, command.origin)
    match command:
        case c.SendMessage():
            return await session.send_message(
                command.content,
                command.attachments,
                sender=sender,
                front=command.front,
                title=command.title,
            )
        case c.LookCloser():
            from sessions.looking_closer import look_closer

            return await look_closer(session, sender)
        case c.RunCommand():
            return await session.command(command.name, command.arguments, sender=sender)
        case c.Continue():
            return await session.continue_(sender=sender)
        case c.Regenerate():
            return await session.regenerate(sender=sender)
        case _:
            assert_never(command)


async def _check_budget(parts: ServiceParts, session: Session, actor: Actor) -> None:
    """Raise `LimitReached` if the actor's budget is used up; post a warning if it nearly is."""
    warning = await check_budget(parts.manager.db, parts.budget, actor.user_id, parts.manager.now_ms())
    if warning:
        async with session.change() as draft:
            draft.add(Noticed(Topic.OUR_BUDGET, warning))


async def _rewound(session: Session, command: c.RewindFiles) -> c.FilesChanged:
    """Let the CLI put its own copies back: it knows no changes of Bash.

    If Claude cannot be asked, a dry run says so in its answer: faces go on with what they asked it for.
    """
    try:
        outcome = await session.rewind_files(TurnId(command.turn_id), dry_run=command.dry_run)
    except ClaudeUnavailable as error:
        if not command.dry_run:
            raise
        return c.FilesChanged((), 0, 0, done=False, refused=str(error))
    match outcome:
        case FilesRewound():
            done = not command.dry_run
            return c.FilesChanged(outcome.paths, outcome.insertions, outcome.deletions, done)
        case FilesKept():
            return c.FilesChanged((), 0, 0, done=False, refused="Claude has no copies of these files.")
        case _:
            assert_never(outcome)
