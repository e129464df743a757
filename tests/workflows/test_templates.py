"""Templates: three come along, hostile and wrong ones are refused with the line, none widens anything."""

from pathlib import Path

import pytest

import api as c
from api.run_model import Configuration
from sessions import rows
from sessions.claude.project_offer import read_offer
from sessions.model import Trust
from sessions.stored import StoredTrust
from tests.sessions.running_core import RunningCore, running_core
from tests.workflows.flow_world import Flow, make_repository, policy_of, request
from workflows.template import built_in, in_directory, read_template

HOSTILE = [
    ('approvers = ["ann"]', 1, "say who approves"),
    ('description = "x"\n\npermission_mode = "bypassPermissions"', 3, "permission mode"),
    ("[limits]\nmax_iterations = 4", 2, "cannot raise a limit"),
    ("[limits]\ntimeout_s = 7201", 2, "cannot raise a limit"),
    ("[limits]\nbudget_usd = nan", 2, "no number"),
    ("[limits]\nparallel = true", 2, "no number"),
    ("[limits]\nspeed = 1", 2, "no limit “speed”"),
    ("[prompts]\nplan = 7", 2, "no text"),
    ("[prompts]\nreport = 'x'", 2, "no phase “report”"),
    (f"[prompts]\nplan = '{'x' * 8_001}'", 2, "longer than 8,000"),
    ("[[checks]]\nname = 'a'\ncommand = \"x\\u0000y\"", 3, "does not fit"),
    ("[[checks]]\nname = 'a'\ncommand = \"a\\nb\"", 3, "does not fit"),
    ("[[checks]]\nname = 'a'\ncommand = \"a\\n\"", 3, "does not fit"),
    ("[[checks]]\nname = \"a\\n\"\ncommand = 'a'", 2, "does not fit"),
    ("[[checks]]\nname = 'a'\ncommand = 'a'\n\n[[checks]]\nname = \"a\\u202E\"\ncommand = 'a'", 6, "sees"),
    ("[[checks]]\nname = 'a'\ncommand = 'a'\n[[checks]]\ncommand = ''\nname = 'b'", 5, "does not fit"),
    ("[[checks]]\nname = 'a'\ncommand = 'a'\n[[checks]]\nname = 'b'", 4, "needs name and command"),
    ("[[checks]]\nname = 'a'\ncommand = 'a'\n[[checks]]\nname = 7\ncommand = 'a'", 5, "no text"),
    ("name = 'x'\n[[checks]]\ncommand = 'a'\nname = 7", 4, "no text"),
    ("name = 7", 1, "no text"),
    ("description = \"\"\"\nplan = 7\n[prompts]\n\"\"\"\n[prompts]\nplan = 7", 6, "no text"),
    ("description = \"a\u2028b\"\n[prompts]\nplan = 7", 3, "no text"),
    ("\nlimits.speed = 1", 2, "no limit “speed”"),
    ("\nchecks = [{name = 'a', command = ''}]", 2, "does not fit"),
    ("[[checks]]\nname = 'a'\ncommand = \"a\\u202Eb\"", 3, "characters that nobody sees"),
    (f"[[checks]]\nname = 'a'\ncommand = '{'x' * 499}'\n" * 4, 9, "use a script"),
    ("[[checks]]\nname = 'a'", 1, "needs name and command"),
    ("[[checks]]\nname = 'a'\ncommand = 'b'\nroot = true", 4, "has no “root”"),
    ("checks = 'make test'", 1, r"\[\[checks\]\]"),
    ("description = \"a\"\nx = [", 2, "no TOML"),
    (f"a{'.a' * 300} = 1", 1, "too long"),
    ("# " + "x" * 70_000, 1, "too long"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "why"), HOSTILE)
def test_a_wrong_template_is_refused_with_its_line(text: str, line: int, why: str) -> None:
    with pytest.raises(c.TemplateRefused, match=why) as refused:
        read_template("mine", text)
    assert refused.value.line == line


def test_three_templates_come_along_and_lower_limits_only() -> None:
    templates = {name: read_template(name, text) for name, text in built_in().items()}
    assert set(templates) == {"feature", "bug-fix", "refactoring"}
    default = Configuration()
    for each in templates.values():
        assert each.description
        assert each.configuration(default, is_given=False).parallel <= default.parallel


def test_links_special_and_large_files_are_no_templates(tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text("description = 'x'")
    (tmp_path / "link.toml").symlink_to("/etc/passwd")
    (tmp_path / "Up.toml").write_text("")
    (tmp_path / "large.toml").write_text("#" * 70_000)
    (tmp_path / "dir.toml").mkdir()
    assert set(in_directory(tmp_path)) == {"good"}
    (tmp_path / "elsewhere").symlink_to(tmp_path)
    assert in_directory(tmp_path / "elsewhere") == {}


async def test_templates_of_a_project_count_where_it_is_trusted_and_take_no_known_name(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core", **policy_of(tmp_path)) as core:
        root = make_repository(core)
        place = root / ".claude-bridge" / "workflows"
        place.mkdir(parents=True)
        (place / "ours.toml").write_text("[[checks]]\nname = 'ours'\ncommand = 'true'\n[limits]\nmax_turns = 7")
        (place / "feature.toml").write_text("description = 'not this'")
        assert "ours" not in await names(core)
        with pytest.raises(c.RunFieldWrong, match="no template has this name"):
            await Flow(core).start(template="ours")
        await trust(core, root)
        assert "ours" in await names(core)
        listed = (await core.do(c.ListTemplates())).templates
        assert [each.source for each in listed if each.name == "feature"] == ["built-in"]
        run = await Flow(core).rest(await Flow(core).start(request(checks=()), template="ours"))
        assert run.plan is not None
        assert [each.name for each in run.plan.checks] == ["ours"]
        assert run.config.max_turns == 7


async def trust(core: RunningCore, root: Path) -> None:
    stored = StoredTrust(str(root), Trust.TRUSTED, read_offer(root).content_hash, "ann", 1)
    await core.db.write([rows.upsert_trust(stored)])


async def names(core: RunningCore) -> set[str]:
    return {each.name for each in (await core.do(c.ListTemplates())).templates}
