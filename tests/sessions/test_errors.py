"""Refusals as sentences: a name at their beginning stays as it is."""

import pytest

from sessions.errors import BackupRefused, BranchRefused, CheckpointRefused, FolderRefused


@pytest.mark.parametrize("error", [BackupRefused, BranchRefused, CheckpointRefused, FolderRefused])
@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("there is no such backup", "There is no such backup."),
        ("facts.json: it is damaged", "facts.json: it is damaged."),
        ("folder/a.txt is larger than it says", "folder/a.txt is larger than it says."),
        ("“passwd” is not below the directory", "“passwd” is not below the directory."),
        ("it's not idle", "It's not idle."),
    ],
)
def test_a_refusal_begins_with_a_capital_unless_a_name_begins_it(
    error: type[BackupRefused], reason: str, sentence: str
) -> None:
    assert str(error(reason)) == sentence
