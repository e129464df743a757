"""Forked programs: what one of them imports while it runs, the next one has from its start."""

import importlib
import os
import signal
import sys

from tests.nursery import Start, run_to_end

LATE = "colorsys"
"""A module that nothing else imports."""


def run(name: str) -> None:
    """Be the program: say whether the module is there already, import it, and be killed."""
    print(name in sys.modules, flush=True)
    try:
        importlib.import_module(name)
    finally:
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_module_that_a_killed_program_imported_is_there_for_the_next_one() -> None:
    environment = {"PATH": os.environ["PATH"]}
    for name in ("no_such_module", LATE):
        assert run_to_end(Start(__name__, (name,), environment), timeout_s=60).returncode == -signal.SIGKILL
    assert run_to_end(Start(__name__, (LATE,), environment), timeout_s=60).stdout == "True\n"
