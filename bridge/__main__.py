"""The program: `claude-bridge`, the same as `python -m bridge`."""

import gc
import io
import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments` (the process's own by default); return the exit code."""
    # What a start makes is modules and classes, which stay: to look through them again and again for garbage
    # is a tenth of its CPU time.
    gc.set_threshold(10_000)
    from bridge.cli import run

    for stream in (sys.stdout, sys.stderr):
        # Whatever the locale and the names of files are, no sentence of ours ends in a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read along has enough. What is still buffered must not fail again at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
