"""The page of promises names a test that exists for each of them."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "web-promises.md").read_text(encoding="utf-8")
_TEST = re.compile(r"`(tests/[\w/]+\.py)`: `(test_\w+)`")


def test_every_promise_has_its_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "---" not in line]
    promises = [line for line in rows if "test |" not in line]
    assert len(promises) >= 15 + 16 + 15
    for line in promises:
        (named,) = _TEST.findall(line)
        source = (PROJECT / named[0]).read_text(encoding="utf-8")
        assert f"def {named[1]}(" in source, line
