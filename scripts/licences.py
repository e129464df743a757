"""List the licence of everything that the bridge needs at run time, as the installed packages state it."""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements" / "run.txt"
OK, UNKNOWN = 0, 1
_LONGEST = 60

EPILOG = """\
exit codes: 0 each has one, 1 one states none (look it up by hand)
Packages of the lock that this system does not need are left out.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with the command line `arguments`; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="licences",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(arguments)
    rows = list(_rows())
    for name, version, licence in rows:
        print(f"{name:<24} {version:<12} {licence or 'states none'}")
    return OK if all(licence for _, _, licence in rows) else UNKNOWN


def _rows() -> Iterator[tuple[str, str, str]]:
    for name in re.findall(r"^([\w.-]+)==", LOCK.read_text(encoding="utf-8"), re.MULTILINE):
        try:
            about = metadata(name)
        except PackageNotFoundError:
            continue
        classifiers = [each for each in about.get_all("Classifier") or () if each.startswith("License ::")]
        named = ", ".join(each.rpartition(" :: ")[2] for each in classifiers)
        stated = [*(about.get_all("License-Expression") or ()), *(about.get_all("License") or ())]
        # Some packages put the whole licence text there, and some build tools write UNKNOWN.
        short = [
            each for each in stated if 0 < len(each) <= _LONGEST and "\n" not in each and each != "UNKNOWN"
        ]
        yield name, about["Version"], next(iter(short), named)


if __name__ == "__main__":
    sys.exit(main())
