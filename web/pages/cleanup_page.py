"""The page for cleaning up: a rule, the sessions that it would remove, buttons that do it now or each day."""

import secrets
from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import urlencode

import msgspec

import api as c
from api.access import Actor, Role
from api.words.cleanup import DONE_WORDS, RULE_VERBS, counted_sessions, last_run_words, rule_words
from web.pages import fragments
from web.pages.layout import page
from web.parts import WebParts

_VERBS = {c.RetentionVerb.ARCHIVE: "Archive", c.RetentionVerb.DELETE: "Delete for good"}


def rule_of(fields: Mapping[str, str]) -> c.CleanupRule | None:
    """Return the rule in the fields of the page's form; None without one. If one is wrong, the usual rule."""
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
    parts: WebParts,
    actor: Actor,
    rule: c.CleanupRule | None,
    done: c.RetentionReport | None = None,
    changes: str = "",
) -> str:
    """Return the page; `changes` is the id of the daily rule that is being changed.

    Raises `NotAllowed` for sessions of others, unless the actor is an admin.
    """
    projects = (await parts.core.perform(actor, c.ListProjects())).names
    said = ""
    if done is not None and rule is not None:
        count = done.archived + done.deleted
        said = f'<p role="status">{counted_sessions(count)} {DONE_WORDS[rule.verb]}.</p>'
    preview = ""
    if rule is not None:
        plan = await parts.core.perform(actor, c.PlanCleanup(rule=rule))
        preview = _preview(parts, rule, plan, changes)
    base = escape(parts.options.base_path, quote=True)
    daily = (await parts.core.perform(actor, c.ListCleanupRules())).rules
    await parts.people.learn(each.user_id for each in daily)
    body = (
        f"<h1>Clean up</h1>{said}{_form(base, actor, rule or c.CleanupRule(), projects, changes)}{preview}"
        f"{_daily(parts, actor, base, daily)}"
        '<p class="dim">Pinned sessions stay. Archived ones can be brought back, deleted ones only from a'
        " backup. The rules of the bridge's settings work besides.</p>"
    )
    return page(parts.options, "Clean up", body, reader=actor)


def _form(base: str, actor: Actor, rule: c.CleanupRule, projects: tuple[str, ...], changes: str) -> str:
    verbs = "".join(
        f'<option value="{verb.value}"{" selected" if verb is rule.verb else ""}>{words}</option>'
        for verb, words in RULE_VERBS.items()
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
        f"{_hidden({'rule': changes} if changes else {})}"
        f'<label class="wide">What <select name="verb">{verbs}</select></label>'
        f'<label class="wide">Not used for days <input name="days" inputmode="decimal" '
        f'value="{rule.older_than_days:g}"></label>'
        f'<label class="wide">Larger than MB (0: any) <input name="mb" inputmode="decimal" '
        f'value="{rule.larger_than_mb:g}"></label>'
        '<label class="wide">Project <select name="project"><option value="">Any</option>'
        f"{options}</select></label>"
        f'{all_box}<button class="first">Show what it would do</button></form>'
    )


def _preview(parts: WebParts, rule: c.CleanupRule, plan: c.RetentionReport, changes: str) -> str:
    base = escape(parts.options.base_path, quote=True)
    daily = (
        ""
        # The core refuses such a rule each day: it would remove what was in use a moment ago.
        if rule.older_than_days < 1
        else (
            f'<form class="row by-form" method="post" action="{base}/cleanup/rules">'
            f"{_hidden({**_fields(rule), **({'rule': changes} if changes else {})})}"
            f"<button>{'Change the rule to this' if changes else 'Do this each day'}</button></form>"
        )
    )
    heading = '<section aria-labelledby="plan"><h2 id="plan">What it would do</h2>'
    if not plan.steps:
        return f'{heading}<p class="dim">There is no such session now.</p>{daily}</section>'
    total = sum(step.size_bytes for step in plan.steps) / 2**20
    listed = "".join(_step(step, base) for step in plan.steps)
    # The button acts on what the reader sees here, not on what is due when it is pressed.
    ids = " ".join(step.session_id for step in plan.steps)
    count = counted_sessions(len(plan.steps))
    return (
        f'{heading}<p role="status">{_VERBS[rule.verb]}: {count}, {total:,.1f} MB.</p>'
        f'<ul class="sessions">{listed}</ul>'
        f'<form class="row by-form" method="post" action="{base}/cleanup">'
        f"{_hidden({**_fields(rule), 'ids': ids})}"
        f'<button class="first">{_VERBS[rule.verb]} ({count})</button></form>{daily}</section>'
    )


def _fields(rule: c.CleanupRule) -> Mapping[str, str]:
    """Return the fields of a form that carry a rule; `rule_of` reads them."""
    return {
        # New for each form: two presses of one button are one act, those of two pages are two.
        "key": secrets.token_urlsafe(16),
        "verb": rule.verb.value,
        "days": f"{rule.older_than_days:g}",
        "mb": f"{rule.larger_than_mb:g}",
        "project": rule.project,
        **({} if rule.only_mine else {"all": "on"}),
    }


def _hidden(fields: Mapping[str, str]) -> str:
    return "".join(
        f'<input type="hidden" name="{name}" value="{escape(value, quote=True)}">'
        for name, value in fields.items()
    )


def _daily(parts: WebParts, actor: Actor, base: str, daily: Sequence[c.DailyCleanupRule]) -> str:
    if not daily:
        return ""
    rows = "".join(_daily_rule(parts, actor, base, each) for each in daily)
    return (
        '<section aria-labelledby="daily"><h2 id="daily">Each day</h2>'
        f'<ul class="sessions">{rows}</ul></section>'
    )


def _daily_rule(parts: WebParts, actor: Actor, base: str, daily: c.DailyCleanupRule) -> str:
    is_mine = daily.user_id == actor.user_id
    whose = "" if is_mine else f"{fragments.author_name(daily.user_id, parts.people.names)}: "
    words = fragments.text_of(f"{whose}{rule_words(daily.rule)}")
    query = {name: value for name, value in _fields(daily.rule).items() if name != "key"}
    look = f"{base}/cleanup?{escape(urlencode({**query, 'rule': daily.id}), quote=True)}"
    # Only its person can change a rule: it runs with that person's rights.
    change = f'<a href="{look}">Look or change</a>' if is_mine else ""
    remove = (
        f'<form class="by-form" method="post" action="{base}/cleanup/rules">'
        f"{_hidden({'key': secrets.token_urlsafe(16), 'act': 'remove', 'rule': daily.id})}"
        "<button>Remove</button></form>"
    )
    trouble = ' class="warn"' if daily.trouble else ' class="dim"'
    return (
        f"<li><b>{words}</b><p{trouble}>{fragments.text_of(last_run_words(daily))} "
        f'<span class="dim">Next: {fragments.stamp(daily.next_ms)}</span></p>'
        f'<div class="row">{change}{remove}</div></li>'
    )


def _step(step: c.RetentionStep, base: str) -> str:
    title = fragments.text_of(fragments.one_line(step.title, 80) or "Session")
    owner = fragments.text_of(fragments.author_name(step.user_id, {}))
    used = f"last used {fragments.stamp(step.last_ms)}"
    return (
        f'<li><a href="{base}/chat/{escape(step.session_id)}">{title}</a>'
        f'<p class="dim">{owner} · {used} · {step.size_bytes / 2**20:,.1f} MB</p></li>'
    )
