"""The answers of commands, buttons and refusals, as people read them: one text for review."""

import re
from collections.abc import Callable

import pytest

from api import Share
from bot.bodies import Control, Verb
from sessions.model import ShareLevel
from tests.bot.posted import buttons, post
from tests.bot.ways import ADMIN, Ways, core, core_id, fake, town, ways
from tests.fakes.discord_server.outcome import Attempt
from tests.sessions.running_core import idle, until

__all__ = ["core", "fake", "town", "ways"]

_VARYING = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}"), "<uuid>"),
    (re.compile(r"<t:\d+:(\w)>"), r"<time \1>"),
    (re.compile(r"</([\w -]+):\d+>"), r"</\1>"),
    (re.compile(r"(<[#@])\d+>"), r"\1…>"),
    (re.compile(r"…[0-9a-f]{6}"), "…id"),
    (re.compile(r"cd \S+ "), "cd … "),
    (re.compile(r"Context: \S+ of \S+ · Cost: \S+"), "Context: … of … · Cost: …"),
)


async def said(attempt: Attempt) -> str:
    """The answer with what differs from run to run replaced; who sees it."""
    outcome = await attempt.settled()
    text = outcome.text
    for pattern, instead in _VARYING:
        text = pattern.sub(instead, text)
    who = "only to them" if outcome.ephemeral else "to all"
    files = "".join(f"\n[{each.filename}]" for each in outcome.reply.attachments) if outcome.reply else ""
    return f"({who})\n{text}{_VARYING[0][0].sub('…', files)}"


async def test_answers_read_as_reviewed(ways: Ways, check_snapshot: Callable[[str, str], None]) -> None:
    ann, bob, vic, mel = ways.town.ann, ways.town.bob, ways.town.vic, ways.town.mel
    thread, session = await ways.started(ann, "demo:text Fix the login")
    general = ways.fake.general
    turn = (await ways.turns(session))[-1].turn
    share = Share(session_id=session.id, grantee=core_id(vic.id), level=ShareLevel.VIEW)
    await ways.core.do(share, ADMIN)
    verbs = (Verb.STOP, Verb.REGENERATE, Verb.FILES, Verb.DETAILS, Verb.EXPORT)
    panel = await post(ways, thread, buttons(*(Control(each, session.id, turn.id) for each in verbs)))
    gone = await post(ways, thread, buttons(Control(Verb.DENY, session.id, "no-such-ask")))
    parts: list[str] = []

    async def record(what: str, attempt: Attempt) -> None:
        parts.append(f"## {what}\n{await said(attempt)}")

    await record("a member types /claude", mel.slash(general, "claude", prompt="hi"))
    await record("a viewer types /claude", vic.slash(general, "claude", prompt="hi"))
    await record("a viewer: file", vic.slash(thread, "files get", path="a.txt"))
    await record("a viewer: Files", vic.click(panel, "files"))
    await record("another user: info", bob.slash(thread, "session info"))
    await record("info where there is no session", ann.slash(general, "session info"))
    await record("info of an unknown session", ann.slash(general, "session info", session="nothing"))
    await record("info", ann.slash(thread, "session info"))
    await record("list", ann.slash(general, "session list"))
    await record("list of what is not there", ann.slash(general, "session list", text="xyz"))
    await record("resume", ann.slash(general, "session resume", session=session.id))
    await record("stop when nothing runs", ann.slash(thread, "turn stop"))
    await record("queue", ann.slash(thread, "turn queue"))
    await record("command that Claude has not", ann.slash(thread, "turn command", name="dance"))
    await record("branch from no turn", ann.slash(thread, "turn branch", turn=99))
    await record("model", ann.slash(thread, "settings model"))
    await record("model by name", ann.slash(thread, "settings model", model="opus"))
    await record("model that is none", ann.slash(thread, "settings model", model="-x"))
    await record("mode", ann.slash(thread, "settings mode", mode="acceptEdits"))
    await record("mode that is for admins", ann.slash(thread, "settings mode", mode="bypassPermissions"))
    await record("rename", ann.slash(thread, "session rename", title="The login"))
    await record("share", ann.slash(thread, "session share", who=bob.user, level="prompt"))
    await record("share no more", ann.slash(thread, "session share", who=bob.user, level="none"))
    await record("file that is not there", ann.slash(thread, "files get", path="a.txt"))
    await record("a turn's files where there are none", ann.click(panel, "files"))
    await record("a turn's details", ann.click(panel, "details"))
    await record("export", ann.click(panel, "export"))
    await record("import of no export", ann.slash(general, "files import", file=("a.json", b"{}")))
    await record("an answer to what is not asked", ann.click(gone, "deny"))
    await record("a button that is out of date", ann.click(gone, "v1:deny:0123456789ab", stale=True))
    await record("a project that is not there", ann.slash(general, "session start", project="nothing"))
    await record("admin, by a user", ann.slash(general, "admin stats"))
    await record("audit", ways.town.boss.slash(general, "admin audit"))
    await record("projects", ways.town.boss.slash(general, "admin projects"))
    ann.send(thread, "demo:gate g")
    await until((ways.core.claude / "gates" / "g.reached").exists)
    await record("regenerate while Claude works", ann.click(panel, "regenerate"))
    await record("handover while Claude works", ann.slash(thread, "session handover"))
    await record("stop", ann.slash(thread, "turn stop"))
    await idle(session)
    await record("handover", ann.slash(thread, "session handover"))
    await record("clear", ann.slash(thread, "session clear"))
    await ways.core.manager.clear_session(session.id)
    await record("continue of what has ended", ann.slash(thread, "turn continue"))
    check_snapshot("what_is_answered", "\n\n".join(parts) + "\n")


@pytest.mark.parametrize("who", ["ann", "boss"])
async def test_help_reads_as_reviewed(ways: Ways, check_snapshot: Callable[[str, str], None], who: str) -> None:
    text = await said(getattr(ways.town, who).slash(ways.fake.general, "help"))
    check_snapshot(f"help_for_{who}", f"{text}\n")
