"""Clean-up rules in the running bridge: the upkeep runs them with the present rights of their persons."""

import asyncio
from dataclasses import replace  # noqa: TID251
from pathlib import Path

import pytest

import api as c
from api.access import Actor, Role
from bridge import upkeep
from bridge.control_socket import local_actor
from bridge.ownership import OwnerKind
from bridge.settings_loading import settings_from
from bridge.wiring import CoreOptions, open_core
from sessions.model import Lifecycle
from storage import Statement


async def test_the_bridge_runs_rules_of_people_who_may_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(upkeep, "_CLEAN_EVERY_S", 0.01)
    settings = replace(settings_from({}), data_dir=tmp_path / "data", database_path=tmp_path / "data" / "s.db")
    ann, gone = local_actor(), Actor("discord:1", "discord", Role.USER)
    async with open_core(settings, CoreOptions(OwnerKind.SCRIPT)) as core:
        made = []
        for actor in (gone, ann):
            info = await core.service.perform(actor, c.CreateSession(channel_id="c"))
            made.append(await core.manager.get_session(info.id))
            await core.service.perform(actor, c.SaveCleanupRule(rule=c.CleanupRule(older_than_days=30)))
        await core.database.write(
            [
                Statement("UPDATE sessions SET last_activity_ms = 0", ()),
                Statement("UPDATE cleanup_rules SET due_ms = 0", ()),
            ]
        )
        async with asyncio.timeout(60):
            running = asyncio.create_task(upkeep.keep_clean(core))
            await made[1].until(lambda snapshot: snapshot.lifecycle is Lifecycle.ENDED)
            rules: tuple[c.DailyCleanupRule, ...] = ()
            while not all(each.ran_ms for each in rules) or not rules:
                rules = (await core.service.perform(ann, c.ListCleanupRules())).rules
                await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert made[0].snapshot.lifecycle is not Lifecycle.ENDED, "nobody on Discord has this id any more"
        assert {each.user_id: (each.removed, bool(each.trouble)) for each in rules} == {
            ann.user_id: (1, False),
            gone.user_id: (0, True),
        }
