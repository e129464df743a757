"""Tests run Claude without a sandbox, whatever this machine has; those in `tests/sandbox` say which one."""

import gc
import os
from collections.abc import Generator

import pytest
from hypothesis import settings

from tests.order import pytest_collection_modifyitems

__all__ = ["pytest_collection", "pytest_collection_modifyitems"]

os.environ.setdefault("SANDBOX", "off")

# A machine that does other work is slow, and that is no defect of what is tested.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without the garbage collector: all that is collected stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
