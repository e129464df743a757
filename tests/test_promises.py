"""The pages of promises name a test that exists for each of them."""

import re

import pytest

from tests.test_project import PROJECT

_TEST = re.compile(r"`(tests/[\w/]+\.py)`: `(test_\w+)`")


@pytest.mark.parametrize(("page", "least"), [("web-promises.md", 15 + 16 + 15), ("workdirs-promises.md", 70)])
def test_every_promise_has_its_test(page: str, least: int) -> None:
    lines = (PROJECT / "docs" / page).read_text(encoding="utf-8").splitlines()
    promises = [line for line in lines if line.startswith("| ") and "---" not in line and "test |" not in line]
    assert len(promises) >= least
    for line in promises:
        (named,) = _TEST.findall(line)
        source = (PROJECT / named[0]).read_text(encoding="utf-8")
        assert f"def {named[1]}(" in source, line
