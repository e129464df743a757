"""Claude's structured answers: one that cannot be read is asked for again."""

import pytest

from workflows.answers import AnswerWrong, read_plan, read_tasks

_DEEP = '{"more": ' + "[" * 20_000 + "]" * 20_000 + "}"


@pytest.mark.parametrize("read", [read_plan, read_tasks])
@pytest.mark.parametrize("block", [_DEEP, "{", "7", '{"tasks": "\ud800"}', '{"checks": 7, "tasks": 7}'])
def test_a_block_that_cannot_be_decoded_is_a_wrong_answer(read: object, block: str) -> None:
    assert callable(read)
    with pytest.raises(AnswerWrong, match="does not fit"):
        read(f"The plan.\n\n```json\n{block}\n```")
