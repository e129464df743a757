"""The program with what it does beside its faces, and no face but the control socket: see `keep_up`."""

import sys

from bridge.cli_core import finish
from bridge.cli_run import run_with
from bridge.upkeep import keep_up

if __name__ == "__main__":
    sys.exit(finish(lambda settings: run_with(settings, [keep_up])))
