"""Compile what every worker imports, on all cores: `python -m tests.rewritten`, before workers start.

pytest rewrites the assertions of each test module, and of libraries that bring plugins, and keeps the result.
In a new checkout nothing is kept, and uv compiles no library: all workers begin at once, and each would compile
everything.
"""

import sys
from collections.abc import Sequence
from compileall import compile_dir
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

# pytest has no public way. If a version does it otherwise, the workers do the work themselves, as without this.
from _pytest.assertion import rewrite

_TESTS = Path(__file__).parent
_WITH_PLUGINS = ("hypothesis", "pytest_asyncio", "xdist")
"""Libraries whose modules pytest rewrites."""
_LIBRARIES = (
    "_pytest", "aiohttp", "attr", "discord", "execnet", "httpx2", "markdown_it", "msgspec",
    "pluggy", "prompt_toolkit", "rich", "ruamel", "wcwidth", "yaml",
)  # fmt: skip
"""Others that take a while to compile. One more or less changes nothing but the time."""


def directories(names: Sequence[str]) -> list[Path]:
    """The directories of these packages, as far as they are installed."""
    specs = filter(None, map(find_spec, names))
    return [Path(place) for spec in specs for place in spec.submodule_search_locations or ()]


def modules() -> list[Path]:
    """The modules of this directory and of libraries that pytest rewrites."""
    plugins = [module for each in directories(_WITH_PLUGINS) for module in each.rglob("*.py")]
    return sorted([*_TESTS.rglob("test_*.py"), *_TESTS.rglob("conftest.py"), *plugins])


def compile_library(directory: Path) -> None:
    compile_dir(directory, quiet=2)


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
            libraries = pool.map(compile_library, directories(_LIBRARIES))
            written = list(pool.map(rewrite_one, modules(), chunksize=8))
            list(libraries)
        except (AttributeError, TypeError) as error:
            print(f"test modules are not compiled beforehand: {error}")
            return 0
    print(f"{sum(written)} modules compiled as pytest does")
    return 0


if __name__ == "__main__":
    sys.exit(main())
