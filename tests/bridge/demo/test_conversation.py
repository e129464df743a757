"""The demo understands requests, also where versions of the CLI word them differently."""

import pytest

from bridge.demo.conversation import read_conversation

RESUME = "Your response above was cut off mid-stream. Resume directly from where it stops — no apology."


@pytest.mark.parametrize(
    "resumption",
    [
        pytest.param([RESUME], id="2.1.329"),
        pytest.param([f"<system-reminder>\n{RESUME}\n</system-reminder>\n"], id="2.1.332"),
        pytest.param(["<system-reminder>The date has changed.</system-reminder>", RESUME], id="beside_another"),
    ],
)
def test_the_hidden_prompt_to_resume_counts_as_a_break_and_is_no_prompt(resumption: list[str]) -> None:
    request = {
        "model": "demo",
        "messages": [
            {"role": "user", "content": "demo:text one demo:error sse-error"},
            {"role": "assistant", "content": [{"type": "text", "text": "DEMO: one"}]},
            {"role": "user", "content": [{"type": "text", "text": text} for text in resumption]},
        ],
    }
    conversation = read_conversation(request)
    assert (conversation.prompt, conversation.broken) == ("demo:text one demo:error sse-error", 1)


def test_a_prompt_that_quotes_the_hidden_one_is_a_prompt() -> None:
    prompt = f"what does this mean: {RESUME}"
    conversation = read_conversation({"model": "demo", "messages": [{"role": "user", "content": prompt}]})
    assert (conversation.prompt, conversation.broken) == (prompt.strip(), 0)
