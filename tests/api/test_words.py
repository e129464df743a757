"""Words that faces share: each topic and state has its own; what earlier versions stored is understood."""

import itertools

import msgspec
import pytest

from api.folders import SessionMetrics
from api.words.backups import metrics_lines
from api.words.exports import EXPORTS
from api.words.notices import NOTICES
from api.words.sandbox import sandbox_words
from api.words.states import State, state_of
from api.words.tools import telling_field, tool_label
from sessions.events import Event, Noticed
from sessions.model import Activity, Blocker, ExportFormat, Lifecycle
from sessions.topics import Topic


def test_each_topic_has_one_title_and_no_two_share_one() -> None:
    assert set(NOTICES) == set(Topic)
    titles = [words.title for words in NOTICES.values()]
    assert len(set(titles)) == len(titles)


def test_each_format_of_an_export_has_a_label_an_ending_and_a_type_of_its_own() -> None:
    assert set(EXPORTS) == set(ExportFormat)
    for facts in zip(*((each.label, each.ending, each.media_type) for each in EXPORTS.values()), strict=True):
        assert len(set(facts)) == len(EXPORTS)


@pytest.mark.parametrize("topic", ["budget", "failed", "a_topic_of_a_later_version"])
def test_a_notice_of_another_version_is_read_with_its_sentence(topic: str) -> None:
    stored = msgspec.json.encode({"type": "noticed", "topic": topic, "text": "A sentence."})
    assert msgspec.json.decode(stored, type=Event) == Noticed(Topic.OTHER, "A sentence.")


def test_every_state_that_a_session_can_be_in_has_a_name_and_every_name_is_used() -> None:
    every = itertools.product(Lifecycle, Activity, (None, *Blocker))
    assert {state_of(*each) for each in every} == set(State)


@pytest.mark.parametrize(
    ("name", "arguments", "field"),
    [
        ("Bash", {"description": "List", "command": "ls"}, "command"),
        ("Bash", {"command": 7}, ""),
        ("mcp__x__y", {"query": "q", "description": "d"}, "description"),
        ("Unheard", {"count": 1, "odd": "text"}, "odd"),
        ("Unheard", {}, ""),
    ],
)
def test_the_field_that_tells_most_is_one_that_has_text(
    name: str, arguments: dict[str, object], field: str
) -> None:
    assert telling_field(name, arguments) == field


def test_a_servers_tool_is_called_by_server_and_tool() -> None:
    assert tool_label("mcp__github__list__issues") == "github list__issues"
    assert (tool_label("mcp__"), tool_label("Task")) == ("mcp__", "Agent")


@pytest.mark.parametrize(
    ("sandbox", "network", "words"),
    [
        ("bwrap", "open", "sandboxed · network open"),
        ("bwrap", "listed", "sandboxed · network listed"),
        ("landlock", "open", "sandboxed, files only · network open"),
        ("bwrap", "of a later version", "sandboxed"),
        ("none", "open", "no sandbox"),
        ("", "", ""),
    ],
)
def test_the_sandbox_of_a_process_is_said_in_words(sandbox: str, network: str, words: str) -> None:
    assert sandbox_words(sandbox, network) == words


def test_one_of_a_thing_is_said_in_the_singular() -> None:
    assert "1 turn · 1 error · 2 asks" in metrics_lines(SessionMetrics(turns=1, errors=1, asks=2))[0]
