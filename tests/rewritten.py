"""Compile the test modules as pytest does, on all cores: `python -m tests.rewritten`, before workers start.

pytest rewrites the assertions of each test module and keeps the result. In a new checkout nothing is kept, and
every worker of a parallel run would rewrite every module: a minute of CPU in all.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace

# pytest has no public way. If a version does it otherwise, the workers do the work themselves, as without this.
from _pytest.assertion import rewrite

_TESTS = Path(__file__).parent


def modules() -> list[Path]:
    """The modules of this directory that pytest rewrites."""
    return sorted([*_TESTS.rglob("test_*.py"), *_TESTS.rglob("conftest.py")])


def rewrite_one(path: Path) -> bool:
    """Keep the rewritten module where pytest looks for it; whether it was not there yet."""
    kept = rewrite.get_cache_dir(path) / f"{path.stem}{rewrite.PYC_TAIL}"
    if rewrite._read_pyc(path, kept) is not None:
        return False
    source_hash, code = rewrite._rewrite_test(path, None)  # type: ignore[arg-type]  # only for a setting we have not
    kept.parent.mkdir(exist_ok=True)
    state = SimpleNamespace(trace=print)
    return rewrite._write_pyc(state, code, source_hash, kept)  # type: ignore[arg-type]  # it only complains there


def main() -> int:
    with ProcessPoolExecutor() as pool:
        try:
            written = list(pool.map(rewrite_one, modules(), chunksize=8))
        except (AttributeError, TypeError) as error:
            print(f"test modules are not compiled beforehand: {error}")
            return 0
    print(f"{sum(written)} test modules compiled")
    return 0


if __name__ == "__main__":
    sys.exit(main())
