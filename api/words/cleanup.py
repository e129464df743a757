"""The words of clean-up rules."""

from api.administering import RetentionReport, RetentionVerb
from api.cleaning import CleanupRule, DailyCleanupRule

RULE_VERBS = {
    RetentionVerb.ARCHIVE: "Archive sleeping sessions",
    RetentionVerb.DELETE: "Delete ended sessions for good",
}
DONE_WORDS = {RetentionVerb.ARCHIVE: "archived", RetentionVerb.DELETE: "deleted"}


def rule_words(rule: CleanupRule) -> str:
    """Return a rule as words: `Delete ended sessions for good, not used for 30 days, of project site`."""
    words = [RULE_VERBS[rule.verb], f"not used for {_counted(rule.older_than_days, 'day')}"]
    if rule.states:
        words.append(f"in state {' or '.join(each.value for each in rule.states)}")
    if rule.larger_than_mb:
        words.append(f"larger than {rule.larger_than_mb:g} MB")
    if rule.project:
        words.append(f"of project {rule.project}")
    if not rule.only_mine:
        words.append("of everybody")
    return ", ".join(words)


def last_run_words(daily: DailyCleanupRule) -> str:
    """Return the outcome of a rule's last run, as a sentence."""
    if daily.trouble:
        return daily.trouble
    if daily.ran_ms is None:
        return "It has not run yet."
    return f"The last run {DONE_WORDS[daily.rule.verb]} {counted_sessions(daily.removed)}."


def plan_lines(report: RetentionReport) -> list[str]:
    """Return what a rule would clean up now, a line for each session."""
    # The first 13 characters of an id are its time in milliseconds: enough to tell sessions apart.
    lines = [f"{step.session_id[:13]}  {step.title or 'Session'}  ({step.why})" for step in report.steps]
    return [*lines, f"{counted_sessions(len(lines))}."] if lines else ["There is no such session."]


def counted_sessions(count: int) -> str:
    """Return `1 session` or `12 sessions`."""
    return f"{count:,} session{'' if count == 1 else 's'}"


def _counted(count: float, word: str) -> str:
    return f"{count:g} {word}{'' if count == 1 else 's'}"
