"""Makes garbage collections rare in a process that runs for months with many live sessions.

A full collection stops everything: for 0.2 s with a thousand live sessions (measured). Nearly all objects that
it searches were made by the start and stay.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_YOUNG_OBJECTS = 10_000


@contextmanager
def rare_collections() -> Iterator[None]:
    """Inside the block, exempt all present objects and collect after 10,000 new objects instead of 700."""
    before = gc.get_threshold()
    # Frozen objects are still freed by their reference counts. Only cycles among them would stay.
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
