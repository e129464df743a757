"""The page for cleaning up: a rule, the sessions that it would remove, and the button that does it."""

import secrets
from collections.abc import Mapping
from html import escape

import msgspec

import api as c
from api.access import Actor, Role
from web.pages import fragments
from web.pages.layout import page
from web.parts import WebParts

_VERBS = {c.RetentionVerb.ARCHIVE: "Archive", c.RetentionVerb.DELETE: "Delete for good"}
_DONE = {c.RetentionVerb.ARCHIVE: "archived", c.RetentionVerb.DELETE: "deleted"}


def rule_of(fields: Mapping[str, str]) -> c.CleanupRule | None:
    """Return the rule in the fields of the page's form; None without one. What is no number is the default."""
    if "verb" not in fields:
        return None
    usual = c.CleanupRule()
    try:
        return msgspec.convert(
            {
                "verb": fields["verb"],
                "olderThanDays": fields.get("days") or usual.older_than_days,
                "largerThanMb": fields.get("mb") or 0,
                "project": fields.get("project", ""),
                "onlyMine": "all" not in fields,
            },
            c.CleanupRule,
            strict=False,
        )
    except msgspec.ValidationError:
        return usual


async def cleanup_page(
    parts: WebParts, actor: Actor, rule: c.CleanupRule | None, done: c.RetentionReport | None = None
) -> str:
    """Return the page. Raises `NotAllowed` for sessions of others, unless the actor is an admin."""
    projects = (await parts.core.perform(actor, c.ListProjects())).names
    said = ""
    if done is not None and rule is not None:
        count = done.archived + done.deleted
        said = f'<p role="status">{_sessions(count)} {_DONE[rule.verb]}.</p>'
    preview = ""
    if rule is not None:
        plan = await parts.core.perform(actor, c.PlanCleanup(rule=rule))
        preview = _preview(parts, rule, plan)
    base = escape(parts.options.base_path, quote=True)
    body = (
        f"<h1>Clean up</h1>{said}{_form(base, actor, rule or c.CleanupRule(), projects)}{preview}"
        '<p class="dim">Pinned sessions stay. Archived ones can be brought back, deleted ones cannot. The '
        "rules of the bridge's settings work besides.</p>"
    )
    return page(parts.options, "Clean up", body, reader=actor)


def _form(base: str, actor: Actor, rule: c.CleanupRule, projects: tuple[str, ...]) -> str:
    verbs = "".join(
        f'<option value="{verb.value}"{" selected" if verb is rule.verb else ""}>{words}</option>'
        for verb, words in (
            (c.RetentionVerb.ARCHIVE, "Archive sleeping sessions"),
            (c.RetentionVerb.DELETE, "Delete ended sessions for good"),
        )
    )
    options = "".join(
        f"<option{' selected' if name == rule.project else ''}>{fragments.text_of(name)}</option>"
        for name in projects
    )
    all_box = (
        f'<label><input type="checkbox" name="all"{"" if rule.only_mine else " checked"}> '
        "Sessions of everybody</label>"
        if actor.role is Role.ADMIN
        else ""
    )
    return (
        f'<form class="card" method="get" action="{base}/cleanup">'
        f'<label class="wide">What <select name="verb">{verbs}</select></label>'
        f'<label class="wide">Not used for days <input name="days" inputmode="decimal" '
        f'value="{rule.older_than_days:g}"></label>'
        f'<label class="wide">Larger than MB (0: any) <input name="mb" inputmode="decimal" '
        f'value="{rule.larger_than_mb:g}"></label>'
        '<label class="wide">Project <select name="project"><option value="">Any</option>'
        f"{options}</select></label>"
        f'{all_box}<button class="first">Show what it would do</button></form>'
    )


def _preview(parts: WebParts, rule: c.CleanupRule, plan: c.RetentionReport) -> str:
    if not plan.steps:
        return '<section><h2>What it would do</h2><p class="dim">There is no such session.</p></section>'
    base = escape(parts.options.base_path, quote=True)
    total = sum(step.size_bytes for step in plan.steps) / 2**20
    listed = "".join(_step(step, base) for step in plan.steps)
    ids = " ".join(step.session_id for step in plan.steps)
    fields = {
        "key": secrets.token_urlsafe(16),
        "verb": rule.verb.value,
        "days": f"{rule.older_than_days:g}",
        "mb": f"{rule.larger_than_mb:g}",
        "project": rule.project,
        "ids": ids,
        **({} if rule.only_mine else {"all": "on"}),
    }
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value, quote=True)}">'
        for name, value in fields.items()
    )
    count = _sessions(len(plan.steps))
    return (
        f'<section aria-labelledby="plan"><h2 id="plan">What it would do</h2>'
        f'<p role="status">{_VERBS[rule.verb]}: {count}, {total:,.1f} MB.</p>'
        f'<ul class="sessions">{listed}</ul>'
        f'<form class="row by-form" method="post" action="{base}/cleanup">{hidden}'
        f'<button class="first">{_VERBS[rule.verb]} ({count})</button></form></section>'
    )


def _step(step: c.RetentionStep, base: str) -> str:
    title = fragments.text_of(fragments.one_line(step.title, 80) or "Session")
    owner = fragments.text_of(fragments.author_name(step.user_id, {}))
    used = f"last used {fragments.stamp(step.last_ms)}"
    return (
        f'<li><a href="{base}/chat/{escape(step.session_id)}">{title}</a>'
        f'<p class="dim">{owner} · {used} · {step.size_bytes / 2**20:,.1f} MB</p></li>'
    )


def _sessions(count: int) -> str:
    return f"{count} session{'' if count == 1 else 's'}"
