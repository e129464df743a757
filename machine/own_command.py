"""The command that a person types at a shell in this directory to run this program."""

import os
import shlex
import shutil
import sys
from pathlib import Path

_NAME = "claude-bridge"


def typed_bridge() -> str:
    """Return the bare name if PATH finds this very installation, else its shortest path."""
    beside = Path(sys.prefix) / "bin" / _NAME
    found = shutil.which(_NAME)
    if not beside.exists() or (found is not None and beside.samefile(found)):
        return _NAME
    return shlex.quote(min(os.path.relpath(beside), str(beside), key=len))
