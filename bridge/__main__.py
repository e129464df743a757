"""The program: `claude-bridge`, the same as `python -m bridge`."""

import gc
import io
import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments` (the process's own by default); return the exit code."""
    # A start makes modules and classes, which stay. Searching them for garbage again and again takes a tenth of
    # its CPU time.
    gc.set_threshold(10_000)
    # aiohttp keeps a few callbacks in lists of frozenlist. Their compiled form loads the library of C++, which
    # takes 1 MB; their form in Python does as well.
    os.environ.setdefault("FROZENLIST_NO_EXTENSIONS", "1")
    from bridge.cli import run

    for stream in (sys.stdout, sys.stderr):
        # Without this, a file name that the locale cannot encode turns a message into a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader closed the pipe. Buffered text must not fail once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
