"""One process of one session, from launch or re-attaching to its recorded end.

An error here becomes a recorded state of this session. Only cancellation is raised; it leaves the host running.
"""

import asyncio
import logging
import uuid
from functools import partial
from pathlib import Path

from backends.base import BackendError, Host, HostExit, LaunchRefused, LaunchSpec, LogCut, Unkillable
from sessions import events as e
from sessions import rows
from sessions.between_turns import keep_transcript
from sessions.claude.errors import ClaudeError
from sessions.claude.start_refusals import StartRefusal, last_words, start_refusal
from sessions.claude.transcript import Remains
from sessions.conversations import RowPath
from sessions.driver import ConversationStart, Fork
from sessions.ended_hosts import remove_ended_hosts
from sessions.errors import ClaudeUnavailable, WorkDirectoryRefused
from sessions.host_run import HostRun
from sessions.importing import read_what_was_said_elsewhere
from sessions.model import Lifecycle, PermissionMode
from sessions.process_end import Exited, NotStarted, Outlived, ProcessEnd
from sessions.retry_until_stored import until_stored
from sessions.rule_keeping import tell_new_process
from sessions.session import Session
from sessions.stored import HostStatus, StoredHost
from sessions.tools import toolbox_in
from sessions.topics import Topic
from sessions.trusting import prepare as prepare_trust
from sessions.uploads import make_uploads, uploads_of
from sessions.work_directory import check_work_directory, shared_git_directory

log = logging.getLogger(__name__)

_MODE_LOWERED = "Claude asks before it acts: the session's owner may not let it do everything any more."

_KILLED = 128
"""The lowest exit code that means death by a signal."""


async def launch_and_stay(session: Session) -> bool:
    """Start a host for `session` and stay until its end is recorded. Return whether it ended as requested."""
    continues = session.snapshot.current is not None
    # The row comes before the launch: if this bridge is killed in between, the next one knows where to look.
    number = await until_stored(partial(_record_start, session, continues=continues))
    if number is None:
        return True
    try:
        # `_launch` starts the process in its last step: a try after a refused write starts no second one.
        host = await until_stored(partial(_launch, session, number, continues=continues))
    except WorkDirectoryRefused as error:
        topic = Topic.PROJECT_GONE if error.is_gone else Topic.START_FAILED
        await _record_end(session, NotStarted(str(error), topic))
        return False
    except (ClaudeError, ClaudeUnavailable) as error:
        await _record_end(session, NotStarted(str(error)))
        return False
    except LaunchRefused as error:
        log.warning("launch refused", extra={"session": session.id, "why": error.reason})
        await _record_end(session, NotStarted(f"Claude was not started: {error.reason}."))
        return False
    except BackendError:
        log.exception("launch failed", extra={"session": session.id})
        sentence = "Claude's process could not be started on this machine."
        await _record_end(session, NotStarted(sentence))
        return False
    # If this bridge is killed before, the next one finds the host by session and number (`Backend.find`).
    await until_stored(partial(_record_launch, session, number, host))
    await until_stored(partial(_tell_sandbox_news, session))
    run = HostRun(session, host, StoredHost(number, host.ref, HostStatus.LIVE, 0, 0), ())
    session.process.join(run)
    try:
        # Somebody may have parked or ended the session during the launch. Only this task knows the process.
        if run.leaving.departure is not None:
            await run.leaving.end_all(session.around.patience.stop_s)
    except Unkillable as error:
        await _record_end(session, Outlived(error.pids))
        return False
    return await stay(session, run)


async def _record_end(session: Session, end: ProcessEnd) -> None:
    await until_stored(partial(session.process.record_end, end))


async def _record_start(session: Session, *, continues: bool) -> int | None:
    """Store the host before it is launched. Return its number, or None if the session has ended."""
    number = 1 + max(session.snapshot.host, await asyncio.to_thread(_highest_host, session))
    async with session.change() as draft:
        if draft.snapshot.lifecycle is Lifecycle.ENDED:
            return None
        # We choose the id, and store it before the CLI sees it: after a crash its transcript is found by it.
        if not draft.snapshot.conversation_id:
            draft.add(e.ConversationChanged(str(uuid.uuid4()), "new"))
        draft.add(e.LifecycleChanged(draft.snapshot.lifecycle, Lifecycle.STARTING, "a prompt waits"))
        draft.add(e.HostStarted(number, continues))
        draft.extra.append(rows.insert_host(session.id, number, draft.at_ms))
    return number


def _highest_host(session: Session) -> int:
    """The highest host number that has a directory. A database restored from a backup may know fewer hosts."""
    directory = session.around.run_directory / session.id
    names = (entry.name for entry in directory.iterdir()) if directory.is_dir() else ()
    return max((int(name) for name in names if name.isdigit()), default=0)


async def _record_launch(session: Session, number: int, host: Host) -> None:
    async with session.change() as draft:
        draft.extra.append(rows.host_launched(session.id, number, host.ref))


async def _tell_sandbox_news(session: Session) -> None:
    """Say once, in the first session that starts a process, what holds for the sandbox from now on."""
    news = session.around.sandbox_news
    if news is not None and (sentence := await asyncio.to_thread(news)):
        async with session.change() as draft:
            draft.add(e.Noticed(Topic.SANDBOX, sentence))


async def _launch(session: Session, number: int, *, continues: bool) -> Host:
    around, snapshot = session.around, session.snapshot
    # At each start: since the last one, a link may have taken the directory's place.
    work_directory = check_work_directory(
        Path(snapshot.work_directory), around.workspace_root, around.private_places
    )
    await _refuse_if_open_elsewhere(session)
    resume = await _prepare_conversation(session, work_directory) or await _cut_branch(session, work_directory)
    fork = None if resume else await _prepare_fork(session, work_directory)
    if resume or fork is not None:
        await _carry_cost_over(session, fork.conversation_id if fork else snapshot.conversation_id)
    brought = await prepare_trust(session, work_directory)
    uploads = uploads_of(around.run_directory, session.id)
    await asyncio.to_thread(make_uploads, uploads)
    toolbox = toolbox_in(around.tools, snapshot)
    start = ConversationStart(
        # Not from `snapshot`: preparing may have given the session another conversation.
        conversation_id=session.snapshot.conversation_id,
        work_directory=work_directory,
        resume=resume,
        fork=fork,
        model=snapshot.model,
        mode=await _mode(session),
        continues=continues,
        brought=brought,
        user_servers=around.trust.user_servers_for(snapshot.user_id),
        readable=(uploads,),
        keeps_out_of=tuple(map(Path, snapshot.keeps_out_of)),
        writable=await asyncio.to_thread(shared_git_directory, work_directory),
        uploads=uploads,
        tools=tuple(tool.name for tool in toolbox.tools) if toolbox is not None else (),
    )
    program = await around.driver.program(start)
    spec = LaunchSpec(
        session_id=session.id,
        number=number,
        directory=around.run_directory / session.id / str(number),
        argv=program.argv,
        cwd=work_directory,
        environment=program.environment,
        title=snapshot.title,
        access=program.access,
    )
    return await around.backend.launch(spec)


async def _mode(session: Session) -> PermissionMode:
    """Return the permission mode to start with. Lowers the session's mode if its owner may not have it now."""
    snapshot = session.snapshot
    mode = session.around.bypass.mode_at_launch(snapshot.user_id, snapshot.mode)
    if mode is not snapshot.mode:
        async with session.change() as draft:
            draft.add(e.ModeChanged(mode))
            draft.add(e.Noticed(Topic.MODE_LOWERED, _MODE_LOWERED))
    return mode


async def _refuse_if_open_elsewhere(session: Session) -> None:
    """Raise `ClaudeUnavailable` if another Claude has the conversation open.

    Two processes on one conversation silently overwrite each other's turns.
    """
    conversation_id = session.snapshot.conversation_id
    # Two looks: Claude's own register has no process that runs in a sandbox, and our rows have no terminal.
    others = await asyncio.to_thread(session.around.conversations.open_elsewhere, conversation_id, frozenset())
    if not others and await rows.has_process_elsewhere(session.around.db, session.id, conversation_id):
        raise ClaudeUnavailable(
            "This conversation is open in another session. Park that one, then send a prompt."
        )
    if others:
        pids = ", ".join(str(each.pid) for each in others)
        raise ClaudeUnavailable(
            f"This conversation is open in another Claude on the machine (process {pids}). "
            "Close it there, then send a prompt."
        )


async def _prepare_conversation(session: Session, work_directory: Path) -> bool:
    """Return whether the CLI can resume the conversation. Restores a lost transcript from our copy.

    The file decides, not our row: a process may have ended before it reported that the conversation had begun.
    """
    snapshot, conversations = session.snapshot, session.around.conversations
    found = await asyncio.to_thread(conversations.remains, snapshot.conversation_id, work_directory)
    if found is Remains.MESSAGES:
        if session.snapshot.handed_over:
            await read_what_was_said_elsewhere(session)
        return True
    # With one prompt nothing is lost: it is sent again, and was all that Claude had heard.
    lost = snapshot.conversation_begun and snapshot.message_count > 1
    # Without a file the id is still free. A file without messages keeps it taken: the CLI refuses to begin
    # under it.
    if found is Remains.NOTHING and not lost:
        return False
    async with session.change() as draft:
        if lost:
            sentence = "Claude's record of this conversation is gone; it goes on without knowing what was said."
            draft.add(e.Noticed(Topic.CONVERSATION_LOST, sentence))
        draft.add(e.ConversationChanged(str(uuid.uuid4()), "new"))
    return False


async def _cut_branch(session: Session, work_directory: Path) -> bool:
    """Cut the branch out of its parent's transcript if the parent has since left the branch's path.

    Then the CLI cannot fork: it finds only rows on the path that it would resume itself.
    """
    snapshot, conversations = session.snapshot, session.around.conversations
    # Otherwise a branch whose parent regenerates that answer before the branch's first prompt never starts.
    parent, uuid = snapshot.fork_conversation, snapshot.fork_uuid
    if not parent or not uuid:
        return False
    point = await asyncio.to_thread(conversations.branch_point, parent, work_directory, [uuid])
    if point is None or point.path is not RowPath.DROPPED:
        return False
    own = snapshot.conversation_id
    await asyncio.to_thread(conversations.cut_copy, parent, work_directory, uuid, own)
    return await asyncio.to_thread(conversations.put_back, own, work_directory)


async def _prepare_fork(session: Session, work_directory: Path) -> Fork | None:
    """Return the fork point of a branch that never ran. Restores the parent's transcript if Claude lost it."""
    snapshot = session.snapshot
    if not snapshot.fork_conversation:
        return None
    remains = session.around.conversations.remains
    found = await asyncio.to_thread(remains, snapshot.fork_conversation, work_directory)
    if found is Remains.MESSAGES:
        return Fork(snapshot.fork_conversation, snapshot.fork_uuid)
    async with session.change() as draft:
        sentence = "Claude's record of the session that this one branches from is gone; it begins without it."
        draft.add(e.Noticed(Topic.CONVERSATION_LOST, sentence))
    return None


async def _carry_cost_over(session: Session, conversation_id: str) -> None:
    """Store the CLI's initial running total of costs before the process starts.

    The CLI includes the costs of earlier processes of this conversation (of the parent, for a fork).
    """
    saved = session.around.conversations.saved_cost_usd
    total = await asyncio.to_thread(saved, conversation_id, Path(session.snapshot.work_directory))
    async with session.change() as draft:
        if draft.snapshot.process_cost_usd != total:
            draft.add(e.CostCarriedOver(total))


async def stay(session: Session, run: HostRun) -> bool:
    """Read and feed the host until it has ended, and record the end. Return whether it ended as requested."""
    run.trouble = ""
    try:
        ended = await _stay_until_the_end(session, run)
    except LogCut as error:
        run.trouble = "The record of what Claude said was damaged; the session goes on from Claude's own."
        log.error("log cut", extra={"session": session.id, "known": error.expected, "found": error.actual})  # noqa: TRY400 (facts suffice)
        ended = await _end_by_force(session, run)
    except Unkillable as error:
        await _record_end(session, Outlived(error.pids))
        return False
    try:
        # A killed program leaves its tools' processes running, and the next program would start them again.
        await run.leaving.end_all(session.around.patience.stop_s)
    except Unkillable as error:
        await _record_end(session, Outlived(error.pids))
        return False
    # Claude writes its last transcript rows as it ends: only now is our copy complete.
    await keep_transcript(session)
    trouble, as_asked = run.trouble or _trouble_of(run, ended), run.leaving.departure is not None
    # The directory goes after the record. Killed in between, the daily round of retention removes it.
    await _record_end(session, Exited(run.number, ended.code, trouble, run.leaving.left))
    if not trouble:  # otherwise stderr stays for an admin to read, until the next end or the daily round
        await remove_ended_hosts(session)
    return as_asked


async def _stay_until_the_end(session: Session, run: HostRun) -> HostExit:
    try:
        async with asyncio.TaskGroup() as tasks:
            others = [
                tasks.create_task(_serve(session, run), name=f"serve {session.id}"),
                tasks.create_task(run.mend_follower(), name=f"follower {session.id}"),
                tasks.create_task(run.tool_calls.run(), name=f"tools {session.id}"),
                tasks.create_task(run.write_later(), name=f"unwritten {session.id}"),
                tasks.create_task(run.leaving.stuck(), name=f"stuck {session.id}"),
            ]
            # Only `read` ends with the host. The others go on until they are cancelled, or fail.
            ended = await run.read()
            for task in others:
                task.cancel()
    except ExceptionGroup as group:
        # The first failure has cancelled all others. `stay` decides by its kind, which a group would hide.
        raise group.exceptions[0] from group
    return ended


async def _serve(session: Session, run: HostRun) -> None:
    """Greet the CLI, then feed it. A CLI that does not answer is ended."""
    # In this order, since the CLI reads in order: lines that a crash kept from the log, then the rules, and a
    # prompt only after the rules that it needs.
    await run.flush()
    await until_stored(partial(tell_new_process, session))
    try:
        await until_stored(run.greet)
    except ClaudeUnavailable:
        if session.snapshot.lifecycle is Lifecycle.STARTING:
            run.trouble = _silent_start(run, session.around.patience.start_s)
        else:
            run.trouble = "Claude's process no longer answered; it was ended."
        await run.leaving.end_all(session.around.patience.stop_s)
        return
    await until_stored(run.take_up_cut_turn)
    await run.sender.run()


def _silent_start(run: HostRun, start_s: float) -> str:
    ended = f"Claude was started but did not answer within {start_s:g} s; it was ended."
    if run.runs_start_hook:
        return f"{ended} A SessionStart hook was still running. Make it shorter, or raise START_TIMEOUT."
    return f"{ended} If the machine needs longer, raise START_TIMEOUT."


async def _end_by_force(session: Session, run: HostRun) -> HostExit:
    await run.leaving.end_all(session.around.patience.stop_s)
    return await run.host.wait()


def _trouble_of(run: HostRun, ended: HostExit) -> str:
    if run.leaving.departure is not None:
        return ""
    if ended.stderr_tail:
        log.warning("claude ended", extra={"session": run.session.id, "code": ended.code})
    started = run.session.snapshot.lifecycle is not Lifecycle.STARTING
    how = "an unknown exit code" if ended.code is None else f"exit code {ended.code}"
    what = "Claude's process ended by itself" if started else "Claude could not be started"
    return f"{what} ({how}){_why_it_ended(ended)}"


_HELPS = {
    StartRefusal.MESSAGE_GONE: "the turn that it was to go on from is gone. Branch from another turn",
    StartRefusal.CONVERSATION_GONE: "Claude's record of the conversation is gone. Start a new session",
    StartRefusal.CONVERSATION_TAKEN: "another process has this conversation. Close it, then send a prompt",
    StartRefusal.DIRECTORY_GONE: "its directory is gone. Move the session to another project",
    StartRefusal.NOT_INSIDE: "its program does not start in the sandbox. SANDBOX_READ must name what it needs",
    StartRefusal.NO_SANDBOX: "its sandbox could not be made. An admin finds the reason with `doctor`",
    StartRefusal.BYPASS_AS_ROOT: "it may not skip permissions as root. Choose another mode",
}


def _why_it_ended(ended: HostExit) -> str:
    """The rest of the sentence: the cause and a remedy, if the CLI reported one before it ended."""
    if ended.code is None or not 0 < ended.code < _KILLED:
        return "."
    refusal = start_refusal(ended.stderr_tail)
    said = _HELPS[refusal] if refusal is not None else last_words(ended.stderr_tail)
    return f": {said}." if said else "."
