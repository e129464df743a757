"""`/admin doctor`: what failed comes first, with what to do; no path of the machine is shown."""

import pytest

from bot.checks import Check, Mark, checks_card
from bridge.discord_face import _bare


def test_failed_checks_come_first_with_their_remedies() -> None:
    card = checks_card(
        [
            Check("disk", Mark.OK, "10 GB are free."),
            Check("git", Mark.WARNING, "git is old.", "Install 2.38."),
            Check("claude", Mark.FAILED, "Nobody is logged in.", "Run `claude auth login`."),
            Check("metrics", Mark.SKIPPED, "There is no METRICS_FILE."),
        ]
    )
    heading, lines = card.texts
    assert heading == "**1 check failed**"
    assert [line.split("·")[0].strip() for line in lines.split("\n")] == [
        "**Failed: claude**",
        "-# → Run \\`claude auth login\\`.",
        "**Look at: git**",
        "-# → Install 2.38.",
        "**In order**: disk",
        "-# Not checked: metrics",
    ]


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("/srv/data/bridge is writable.", "DATA_DIR is writable."),
        ("Other users may look into /srv/data/bridge/run.", "Other users may look into DATA_DIR/run."),
        ("/home/ann/.config/x.json is broken", "~/.config/x.json is broken"),
        ("claude is /opt/tools/bin/claude, version 2", "claude is …/claude, version 2"),
        ("Open https://example.org/a/b", "Open https://example.org/a/b"),
        ("6/7 of 3 GB are free", "6/7 of 3 GB are free"),
    ],
)
def test_sentences_of_checks_have_no_paths(sentence: str, shown: str) -> None:
    assert _bare(sentence, {"/srv/data/bridge": "DATA_DIR", "/home/ann": "~"}) == shown
