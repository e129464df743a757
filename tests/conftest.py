"""Tests run Claude without a sandbox, whatever this machine has; those in `tests/sandbox` say which one."""

import os

os.environ.setdefault("SANDBOX", "off")
