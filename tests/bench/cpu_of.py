"""`python cpu_of.py PROGRAM [ARGUMENT…]`: run it, wait for all that it leaves, and print their CPU seconds.

A process that bubblewrap leaves behind is reaped here, too: its CPU time would count nowhere else.
"""

import ctypes
import os
import resource
import subprocess
import sys
from contextlib import suppress

_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=False).returncode
    with suppress(ChildProcessError):
        while True:
            os.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(used.ru_utime + used.ru_stime)
    sys.exit(code)


if __name__ == "__main__":
    main()
