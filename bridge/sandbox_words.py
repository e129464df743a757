"""Sentences about the sandbox: findings of `doctor`, and what a start says once."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import assert_never

from backends.sandbox.model import Mechanism, Network, Policy
from backends.sandbox.probe import Probed, Refusal
from bridge.findings import Finding, failed, ok, skipped, warning
from bridge.said_once import is_news
from bridge.sandboxing import Sandboxing
from sessions.claude.sandbox_access import CREDENTIALS
from sessions.claude.transcript import config_directory

_NAME = "sandbox"
_DOCUMENT = "docs/sandbox.md"
_INSTALL = f"Install bubblewrap (for example: apt install bubblewrap). {_DOCUMENT}"
_LOGIN_REMEDY = (
    f"Run `claude setup-token` and set CLAUDE_CODE_OAUTH_TOKEN, or set ANTHROPIC_API_KEY. {_INSTALL}"
)
_REMEDIES: Mapping[Refusal, tuple[str, str]] = {
    Refusal.MISSING: ("bubblewrap is not installed.", _INSTALL),
    Refusal.APPARMOR: (
        "bubblewrap is there but may not make user namespaces (“{said}”).",
        f"Ubuntu: allow them for /usr/bin/bwrap by an AppArmor profile, {_DOCUMENT}.",
    ),
    Refusal.NO_USER_NAMESPACE: (
        "User namespaces are forbidden here (“{said}”): by a container's seccomp profile, or by the kernel.",
        f"Container: security_opt in compose. Kernel: sysctl kernel.unprivileged_userns_clone=1. {_DOCUMENT}.",
    ),
    Refusal.PROC_MASKED: (
        "The container hides parts of /proc, so bubblewrap cannot make its own (“{said}”).",
        f"Let the container show /proc: security_opt systempaths=unconfined, {_DOCUMENT}.",
    ),
    Refusal.NESTED: (
        "The bridge itself runs in a sandbox, which allows none inside (“{said}”).",
        f"Start the bridge outside of it, {_DOCUMENT}.",
    ),
    Refusal.TOO_OLD: (
        "bubblewrap is too old (“{said}”); version 0.8 is needed.",
        f"Install a newer one. {_DOCUMENT}",
    ),
    Refusal.OTHER: ("bubblewrap does not work here (“{said}”).", f"{_DOCUMENT} lists known causes."),
}
FIRST_START = (
    "Claude's processes run in a sandbox now: they see the system, their project and what SANDBOX_READ and"
    " SANDBOX_WRITE name, and nothing else of your home. docs/sandbox.md"
)
_FILES_ONLY = "Only files are protected here: bubblewrap does not work, so Landlock is used. `doctor` says why."
_WITHOUT = (
    "Claude runs without a sandbox: none works on this machine. It reaches every file of the bridge's user."
    " `doctor` says why and what helps."
)


def sandbox_findings(found: Sandboxing) -> list[Finding]:
    """Return the lines of `doctor` for the sandbox of this start."""
    refusal = refusal_words(found.bwrap)
    if found.refuses:
        sentence = "No sandbox works, and the settings demand one: no Claude starts."
        return [failed(_NAME, f"{sentence} {_reasons(found)}", refusal[1] if refusal else _INSTALL)]
    match found.policy.mechanism:
        case Mechanism.BWRAP:
            version = found.bwrap.version if found.bwrap else ""
            return [ok(_NAME, f"bubblewrap {version}: files, processes; {_limits(found.policy)}.")]
        case Mechanism.LANDLOCK:
            abi = found.landlock.abi if found.landlock else 0
            sentence = f"Landlock (ABI {abi}): files only; the network is open, processes are not limited."
            # Landlock binds no file, so each project has its own. A renewal ends the refresh token of all
            # others (ADR 41).
            if login_is_a_file(os.environ):
                sentence += " Claude would renew its login in one project and end it for all others."
                return [warning(_NAME, sentence, _LOGIN_REMEDY)]
            if refusal is None:
                return [ok(_NAME, sentence)]
            return [warning(_NAME, f"{sentence} {refusal[0]}", refusal[1])]
        # Nothing was tried, so a person has switched it off.
        case Mechanism.NONE if found.bwrap is None:
            return [skipped(_NAME, "SANDBOX is off: Claude reaches every file of this user.", _DOCUMENT)]
        case Mechanism.NONE:
            sentence = "None works: Claude runs without a sandbox and reaches every file of this user."
            return [warning(_NAME, f"{sentence} {_reasons(found)}", refusal[1] if refusal else _INSTALL)]
        case _:
            assert_never(found.policy.mechanism)


def login_is_a_file(environment: Mapping[str, str]) -> bool:
    """Whether Claude's login is the file that it renews, and not a token or a key of the environment."""
    given = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
    return not any(map(environment.get, given)) and (config_directory(environment) / CREDENTIALS).exists()


def news_in_a_session(found: Sandboxing, state: Path) -> str:
    """Return what the first session that starts a process says; empty if that was said. Names no path.

    `state` remembers it.
    """
    match found.policy.mechanism:
        case Mechanism.BWRAP:
            sentence = FIRST_START
        case Mechanism.LANDLOCK:
            sentence = f"{FIRST_START} {_FILES_ONLY}"
        case Mechanism.NONE if found.bwrap is not None and not found.refuses:
            sentence = _WITHOUT
        case _:
            sentence = ""
    # A mark of its own: people in sessions do not see what the terminal said.
    return sentence if is_news(sentence, state / "said_in_a_session") else ""


def sentence_at_start(found: Sandboxing, state: Path) -> str:
    """Return what a start says once; empty if nothing. Remembers it in the directory `state`."""
    sentence = ""
    if found.policy.mechanism is not Mechanism.NONE:
        sentence = FIRST_START
    elif found.bwrap is not None and not found.refuses:
        sentence = sandbox_findings(found)[0].sentence
    return sentence if is_news(sentence, state / "said") else ""


def refusal_words(bwrap: Probed | None) -> tuple[str, str] | None:
    """Return sentence and remedy for a bubblewrap that does not work; None if it works or was not tried."""
    if bwrap is None or bwrap.refusal is None:
        return None
    sentence, remedy = _REMEDIES[bwrap.refusal]
    return sentence.format(said=bwrap.said), remedy


def _reasons(found: Sandboxing) -> str:
    refusal = refusal_words(found.bwrap)
    words = [refusal[0]] if refusal else []
    if found.landlock is not None and not found.landlock.abi:
        words.append(f"Landlock: {found.landlock.why}.")
    elif found.landlock is not None and found.policy.network is not Network.OPEN:
        words.append("Landlock cannot limit the network.")
    return " ".join(words)


def _limits(policy: Policy) -> str:
    words = [f"network {policy.network.value}"]
    if policy.limits.processes is not None:
        words.append(f"{policy.limits.processes} processes")
    if policy.seccomp_filter is None:
        words.append("no system call filter for this processor")
    return "; ".join(words)
