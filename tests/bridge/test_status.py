"""`status` of a bridge that does not answer: what is known is said, and nothing that is not."""

from pathlib import Path

import pytest

from bridge.cli_status import show_status
from bridge.invocation import ShowStatus
from bridge.ownership import OwnerKind, owning


@pytest.mark.parametrize("as_json", [False, True])
def test_sessions_that_cannot_be_listed_are_not_said_to_be_none(
    clean_place: Path, capsys: pytest.CaptureFixture[str], *, as_json: bool
) -> None:
    with owning(clean_place / "data", OwnerKind.BOT):
        assert show_status(ShowStatus(demo=False, as_json=as_json)) == 0
    said = capsys.readouterr().out
    assert "does not answer" in said
    assert "no sessions" not in said


def test_without_real_sessions_the_status_is_that_of_the_demo(
    clean_place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with owning(clean_place / "data" / "demo", OwnerKind.CHAT):
        assert show_status(ShowStatus(demo=False, as_json=False)) == 0
    said = capsys.readouterr()
    assert "so this is the demo" in said.err
    assert "A chat runs" in said.out
