"""Tests run Claude without a sandbox, whatever this machine has; those in `tests/sandbox` say which one."""

import os

from tests.order import pytest_collection_modifyitems

__all__ = ["pytest_collection_modifyitems"]

os.environ.setdefault("SANDBOX", "off")
