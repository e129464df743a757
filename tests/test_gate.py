"""The gate's test run: what passes the second time is flaky, everything else fails as before."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
FLAKY = """
def test_now_and_then():
    from pathlib import Path
    seen = Path("seen")
    tried_before = seen.exists()
    seen.touch()
    assert tried_before, "not the first time"
"""
GOOD = "def test_good(): pass\n"
BAD = "def test_bad(): assert False, 'never'\n"
FLAKY_LINE = re.compile(r"^FLAKY test_it\.py::test_now_and_then$", re.MULTILINE)
NOT_THE_FIRST = r"^    E +AssertionError: not the first time$"


def gate(directory: Path, suite: str, *, workers: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the gate on a suite of one file. Without workers it starts in a third of the time."""
    (directory / "pytest.ini").write_text("[pytest]\n")
    (directory / "test_it.py").write_text(suite)
    # As make does, with nothing of the run that this test belongs to.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    suite_run = ["sh", "-c", f"{sys.executable} -m pytest -q -p xdist -n {workers} $PYTEST_FLAGS"]
    return subprocess.run(
        [sys.executable, "-m", "tests.gate", *suite_run],
        cwd=directory,
        env={**environment, "PYTHONPATH": str(PROJECT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_test_that_passes_the_second_time_is_flaky_and_the_run_passes(tmp_path: Path) -> None:
    ran = gate(tmp_path, GOOD + FLAKY)
    assert ran.returncode == 0, ran.stdout
    assert FLAKY_LINE.search(ran.stdout), ran.stdout
    assert re.search(NOT_THE_FIRST, ran.stdout, re.MULTILINE), ran.stdout
    assert re.search(r"^==== 2 passed, 1 flaky in [\d.]+s ====\n\Z", ran.stdout, re.MULTILINE), ran.stdout


def test_a_test_that_fails_twice_fails_the_run_beside_a_flaky_one(tmp_path: Path) -> None:
    ran = gate(tmp_path, GOOD + BAD + FLAKY)
    assert ran.returncode == 1
    assert FLAKY_LINE.search(ran.stdout), ran.stdout
    assert re.search(r"^==== 1 failed, 2 passed, 1 flaky in [\d.]+s ====\n\Z", ran.stdout, re.MULTILINE), (
        ran.stdout
    )


@pytest.mark.parametrize(
    ("suite", "said"),
    [
        pytest.param("", "no tests ran", id="no_test"),
        pytest.param("import no_such_module\n" + FLAKY, "NOT A FAILED TEST test_it.py", id="not_collected"),
        pytest.param(
            FLAKY + "def test_crash():\n    import os\n    os._exit(1)\n",
            "NOT A FAILED TEST test_it.py::test_crash",
            id="worker_crashed",
        ),
        pytest.param(
            "import pytest\n@pytest.mark.parametrize('n', range(11))\ndef test_bad(n): assert n < 0\n",
            "too many to have failed by chance",
            id="many_failed",
        ),
        pytest.param(
            "import pytest\nfrom pathlib import Path\ndef test_bad():\n"
            "    if Path('seen').exists(): pytest.skip('gone')\n    Path('seen').touch()\n    assert False\n",
            "1 failed, 0 flaky",
            id="skipped_the_second_time",
        ),
    ],
)
def test_only_failed_tests_get_a_second_try(tmp_path: Path, suite: str, said: str) -> None:
    ran = gate(tmp_path, suite, workers=1 if "os._exit" in suite else 0)
    assert ran.returncode != 0, ran.stdout
    assert said in ran.stdout, ran.stdout
    assert "FLAKY" not in ran.stdout
