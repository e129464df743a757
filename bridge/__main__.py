"""The program: `claude-bridge`, the same as `python -m bridge`."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments` (the process's own by default); return the exit code."""
    from bridge.cli import run

    return run(sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
