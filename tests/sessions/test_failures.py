"""Each error of the Messages API, through the real CLI: its kind, its sentence, and what can be done."""

import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import api as c
from api.words.failures import ended_because, good_turn_to_branch_from
from api.words.limits import limit_name, share_words
from bot.status_card import status_line
from sessions.claude.registry import open_conversations
from sessions.model import Allow, Blocker, TurnStatus
from sessions.session import Session
from sessions.stored import StoredTurn
from sessions.troubles import FailureKind, LimitWindow
from tests.fakes.cli_home import make_cli_home
from tests.fakes.failing_api import FailingApi, Refused, api_error
from tests.sessions.running_core import CoreParts, RunningCore, idle, running_core, until
from tests.sessions.running_core import reached as state

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(240)]

K = FailureKind
BAD = "invalid_request_error"
PAGE = "<html><head><title>403 Forbidden</title></head><body>policy of 10.1.2.3</body></html>"

SPENT = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."

# What the API answers, the kind that it is, and words of the sentence; by the kind of login.
WITH_KEY: list[tuple[Refused, FailureKind, str]] = [
    (api_error(400, BAD, "Your credit balance is too low to access the API."), K.BILLING, "Add credit"),
    (api_error(400, BAD, "This organization has been disabled."), K.ORGANIZATION_DISABLED, "An admin"),
    (api_error(400, BAD, "Output blocked by content filtering policy"), K.CONTENT_FILTERED, "other words"),
    (api_error(400, BAD, SPENT), K.SPENDING_LIMIT, "access on 2026-12-01 at 00:00 UTC. An admin can raise it"),
    (
        api_error(400, BAD, "max_tokens: must be at least 1"),
        K.REFUSED,
        "(400): max_tokens: must be at least 1.",
    ),
    (api_error(400, BAD, "image exceeds 5 MB maximum: 6000000 bytes"), K.FILE_REFUSED, "Send another"),
    (api_error(400, BAD, "prompt is too long: 1250000 tokens > 1000000 maximum"), K.CONTEXT_FULL, "Compact it"),
    (
        api_error(401, "authentication_error", "invalid x-api-key"),
        K.LOGIN,
        "API key that is set on the machine",
    ),
    (api_error(402, "billing_error", "Trouble"), K.BILLING, "Add credit"),
    (
        api_error(403, "permission_error", "no permission to use it"),
        K.FORBIDDEN,
        "(403): no permission to use it.",
    ),
    (Refused(403, PAGE), K.FORBIDDEN, "a proxy on the way to it, refused the request (403): Forbidden."),
    (api_error(404, "not_found_error", "model: claude-foo"), K.MODEL_UNKNOWN, "choose another"),
    (Refused(302, "moved"), K.FORBIDDEN, "a proxy on the way to it, refused the request (302)"),
    (Refused(403, ""), K.FORBIDDEN, "refused the request (403). Ask whoever"),
    (Refused(404, "<html><title>404</title></html>"), K.MODEL_UNKNOWN, "the address of Claude's service"),
    (Refused(407, "<html><title>Login</title></html>"), K.FORBIDDEN, "a proxy on the way to it"),
    (api_error(409, "conflict", "again"), K.SERVER_ERROR, "try again in a moment"),
    (api_error(400, BAD, SPENT.replace(" API", " workspace API")), K.SPENDING_LIMIT, "An admin can raise it"),
    (api_error(413, "request_too_large", "Request exceeds the maximum size"), K.TOO_LARGE, "too large"),
    (
        api_error(418, "teapot", "key sk-ant-x1 of /home/ann/x at 10.1.2.3"),
        K.REFUSED,
        "(418): key … of … at ….",
    ),
    (api_error(429, "rate_limit_error", "40,000 tokens per minute"), K.RATE_LIMITED, "in a minute"),
    (api_error(500, "api_error", "Internal server error"), K.SERVER_ERROR, "try again in a moment"),
    (api_error(529, "overloaded_error", "Overloaded"), K.OVERLOADED, "overloaded"),
]
ORG = "OAuth authentication is currently not allowed for this organization."
WITH_LOGIN: list[tuple[Refused, FailureKind, str]] = [
    (api_error(400, BAD, "This organization has been disabled."), K.ORGANIZATION_DISABLED, "An admin"),
    (api_error(401, "authentication_error", "invalid bearer token"), K.LOGIN, "`claude auth login`"),
    (api_error(403, "permission_error", ORG), K.ORGANIZATION, "Ask its admin"),
    (api_error(403, "permission_error", "OAuth token has been revoked."), K.FORBIDDEN, "`claude auth login`"),
    # A busy service: no limit of the account.
    (api_error(429, "rate_limit_error", "slow down"), K.RATE_LIMITED, "in a minute"),
]


@asynccontextmanager
async def core_with(api: FailingApi, directory: Path, **environment: str) -> AsyncIterator[RunningCore]:
    home = make_cli_home(directory, api.base_url, CLAUDE_CODE_MAX_RETRIES="1", **environment)
    parts = CoreParts(command=home.binary, claude=home.config, environment=home.environment)
    if "CLAUDE_CODE_OAUTH_TOKEN" in environment:
        parts = CoreParts(home.binary, home.config, {**home.environment, "ANTHROPIC_API_KEY": ""})
    async with running_core(directory / "core", parts) as core:
        yield core


@pytest.fixture
async def api() -> AsyncIterator[FailingApi]:
    async with FailingApi() as api:
        yield api


async def turn_of(core: RunningCore, session: Session, prompt: str = "demo:text hi") -> StoredTurn:
    turn_id = await core.ask(session, prompt)
    turn: StoredTurn = (await core.do(c.ReadTurn(session_id=session.id, turn_id=turn_id))).turn
    return turn


@pytest.mark.parametrize("login", [False, True], ids=["key", "login"])
async def test_each_error_has_its_kind_and_its_next_step(api: FailingApi, tmp_path: Path, login: bool) -> None:
    environment = {"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-demo"} if login else {}
    async with core_with(api, tmp_path, **environment) as core:
        session = await core.session()
        for number, (answer, kind, words) in enumerate(WITH_LOGIN if login else WITH_KEY):
            if number % 4 == 0:
                api.answer = None
                assert (await turn_of(core, session)).status is TurnStatus.DONE
            api.answer = answer
            turn = await turn_of(core, session)
            assert turn.status is TurnStatus.FAILED
            assert turn.failure is not None
            said = ended_because(turn)
            assert (turn.failure.kind, turn.failure.status) == (kind, answer.status), said
            assert words in said
            assert "sk-" not in said.replace("`claude", "")
            assert "10.1.2.3" not in said
            if not login:
                assert "claude auth login" not in said
            assert session.snapshot.blocker is None, kind


async def test_a_conversation_that_is_refused_again_and_again_is_left_by_a_branch(
    api: FailingApi, tmp_path: Path
) -> None:
    message = "messages.1.content.0: `thinking` blocks in the latest assistant message cannot be modified."
    async with core_with(api, tmp_path) as core:
        session = await core.session()
        good = await turn_of(core, session, "demo:text good")
        api.answer = api_error(400, BAD, message)
        first, second = await turn_of(core, session), await turn_of(core, session)
        assert first.failure is not None
        assert second.failure is not None
        assert (first.failure.kind, second.failure.kind) == (K.REFUSED, K.STUCK)
        assert message.rstrip(".") in ended_because(first)
        assert "Branch from the last good turn" in ended_because(second)
        for failure in (first.failure, second.failure):
            assert good_turn_to_branch_from(failure) == good.id
        api.answer = None
        info = await core.do(c.Branch(session_id=session.id, channel_id="b", turn_id=good.id))
        branch = await core.manager.get_session(info.id)
        assert (await turn_of(core, branch)).status is TurnStatus.DONE
        history = str([seen.body for seen in api.demo.requests][-1])
        assert "demo:text good" in history
        assert "API Error" not in history


async def test_a_compaction_that_ends_in_an_error_is_not_done(api: FailingApi, tmp_path: Path) -> None:
    async with core_with(api, tmp_path) as core:
        session = await core.session()
        await core.ask(session, "demo:text hi")
        for answer in (api_error(400, BAD, "no summary for you"), None):
            api.answer = answer
            placed = await core.do(c.RunCommand(session_id=session.id, name="compact", origin=str(answer)))
            await idle(session)
            turn = (await core.do(c.ReadTurn(session_id=session.id, turn_id=placed.turn_id))).turn
            if answer is None:
                assert turn.status is TurnStatus.DONE
                continue
            assert turn.status is TurnStatus.FAILED
            assert "was not compacted: no summary for you." in ended_because(turn)


def unified(status: str, kind: str, **more: str) -> Mapping[str, str]:
    """Headers that say how a subscription's limits stand."""
    at = str(int(time.time()) + 3600)
    facts = {"status": status, "reset": at, "representative-claim": kind, **more}
    return {f"anthropic-ratelimit-unified-{name.replace('_', '-')}": value for name, value in facts.items()}


async def test_a_request_that_extra_usage_pays_for_is_served_and_said_once(
    api: FailingApi, tmp_path: Path
) -> None:
    async with core_with(api, tmp_path, CLAUDE_CODE_OAUTH_TOKEN="sk-ant-oat01-demo") as core:
        session = await core.session()
        api.headers = unified("rejected", "five_hour", overage_status="allowed")
        for _ in range(3):
            assert (await turn_of(core, session)).status is TurnStatus.DONE
        assert await core.notices(session) == ["extra_usage"]
        assert session.snapshot.limit is None


OPUS = "claude-opus-5-5"


def reached(kind: str) -> Refused:
    return Refused(
        429,
        {"type": "error", "error": {"type": "rate_limit_error", "message": "no"}},
        unified("rejected", kind),
    )


async def test_a_limit_of_one_model_blocks_that_model_alone_in_all_sessions(
    api: FailingApi, tmp_path: Path
) -> None:
    async with core_with(api, tmp_path, CLAUDE_CODE_OAUTH_TOKEN="sk-ant-oat01-demo") as core:
        first, second = await core.session(), await core.session()
        # Both are awake and know their model before anybody meets the limit.
        for each in (first, second):
            await core.do(c.SetModel(session_id=each.id, model=OPUS))
            assert (await turn_of(core, each)).status is TurnStatus.DONE
        api.refuse_models = {OPUS: reached("seven_day_opus")}
        met = await core.say(first, "demo:text met")
        await state(first, lambda snapshot: snapshot.current is None and snapshot.limit is not None)
        assert await core.status(met) is TurnStatus.QUEUED

        refused = api.refused
        waiting = await core.say(second, "demo:text waits")
        told = await state(second, lambda snapshot: snapshot.blocker is Blocker.USAGE_LIMIT)
        assert told.limit is not None
        assert (told.limit.window, told.limit.family) == (LimitWindow.WEEKLY, "opus")
        assert told.limit.until_ms is not None
        assert limit_name(told.limit) == "weekly limit of Opus models"
        assert api.refused == refused, "it was not asked against a limit that another session met"
        info = await core.do(c.GetSession(session_id=second.id))
        assert (info.limit, info.other_model) == (told.limit, "sonnet")

        await core.do(c.SetModel(session_id=second.id, model=info.other_model))
        await idle(second)
        assert await core.status(waiting) is TurnStatus.DONE

        # Somebody tries anyway: refused again it stays reached, and served it is over for all.
        refused = api.refused
        await core.do(c.TryNow(session_id=first.id))
        await until(lambda: api.refused > refused)
        await state(first, lambda snapshot: snapshot.current is None and bool(snapshot.queue))
        assert await core.status(met) is TurnStatus.QUEUED
        api.refuse_models = {}
        await core.do(c.TryNow(session_id=first.id))
        await idle(first)
        assert await core.status(met) is TurnStatus.DONE
        assert str(api.served[-1]).count("demo:text met") == 1, "Claude reads the prompt once"
        await core.do(c.SetModel(session_id=second.id, model=OPUS))
        assert (await turn_of(core, second)).status is TurnStatus.DONE
        assert (await core.do(c.GetSession(session_id=second.id))).limit is None


@pytest.mark.parametrize("meanwhile", ["another model", "parked", "killed", "withdrawn"])
async def test_a_prompt_that_meets_a_limit_waits_and_claude_reads_it_once(
    api: FailingApi, tmp_path: Path, meanwhile: str
) -> None:
    async with core_with(api, tmp_path, CLAUDE_CODE_OAUTH_TOKEN="sk-ant-oat01-demo") as core:
        session = await core.session()
        await core.do(c.SetModel(session_id=session.id, model=OPUS))
        assert (await turn_of(core, session)).status is TurnStatus.DONE
        api.refuse_models = {OPUS: reached("seven_day_opus")}
        met = await core.say(session, "demo:text met")
        held = await state(session, lambda each: each.current is None and bool(each.queue))
        assert held.queue[0].turn_id == met
        match meanwhile:
            case "another model":
                await core.do(c.SetModel(session_id=session.id, model="sonnet"))
            case "withdrawn":
                await core.do(c.WithdrawQueued(session_id=session.id, turn_id=met))
                api.refuse_models = {}
                await core.say(session, "demo:text next")
                await core.do(c.TryNow(session_id=session.id))
            case _:
                api.refuse_models = {}
                if meanwhile == "killed":
                    (cli,) = open_conversations(core.claude)
                    os.kill(cli.pid, signal.SIGKILL)
                    await state(session, lambda each: each.host > held.host or each.current is not None)
                else:
                    await session.park("a test")
                    session.want_process()
                await core.do(c.TryNow(session_id=session.id))
        await idle(session)
        is_withdrawn = meanwhile == "withdrawn"
        assert await core.status(met) is (TurnStatus.WITHDRAWN if is_withdrawn else TurnStatus.DONE)
        assert str(api.served[-1]).count("demo:text met") == (0 if is_withdrawn else 1)
        assert "turn_failed" not in await core.notices(session)


async def test_a_turn_that_a_limit_cuts_goes_on_when_it_opens(api: FailingApi, tmp_path: Path) -> None:
    async with core_with(api, tmp_path, CLAUDE_CODE_OAUTH_TOKEN="sk-ant-oat01-demo") as core:
        session = await core.session()
        cut = await core.say(session, "demo:bash touch x")
        asking = await state(session, lambda each: bool(each.asks))
        api.answer = reached("five_hour")
        await session.answer(asking.asks[0].id, Allow(), by="ann")
        await state(session, lambda each: each.current is None and bool(each.queue))
        turn = (await core.do(c.ReadTurn(session_id=session.id, turn_id=cut))).turn
        assert turn.status is TurnStatus.FAILED
        assert ended_because(turn).endswith("Claude goes on when it opens, or with another model.")
        api.answer = None
        await core.do(c.TryNow(session_id=session.id))
        await idle(session)
        newest, _ = (await core.do(c.ReadTurns(session_id=session.id, limit=9))).turns
        assert (newest.turn.prompt, newest.turn.status) == ("Continue.", TurnStatus.DONE)
        assert newest.turn.author_id == "ann"


async def test_a_subscription_is_told_how_much_of_its_limits_is_used_instead_of_dollars(
    api: FailingApi, tmp_path: Path
) -> None:
    async with core_with(api, tmp_path, CLAUDE_CODE_OAUTH_TOKEN="sk-ant-oat01-demo") as core:
        session = await core.session()
        for used, words in (("0.124", "12 % of the five-hour limit"), ("0.03", "7 % of the weekly limit")):
            windows = {"5h_utilization": used, "7d_utilization": "0.07"}
            at = str(int(time.time()) + 3600)
            api.headers = unified("allowed", "five_hour", **windows, **{"5h_reset": at, "7d_reset": at})
            turn = await turn_of(core, session)
            assert turn.cost_usd == turn.list_price_usd > 0
            info = await core.do(c.GetSession(session_id=session.id))
            assert share_words(info.limit_shares) == words
            assert status_line(info).endswith(words)
            assert "$" not in status_line(info)
