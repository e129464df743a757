import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.workdirs.desk import Desk

_NOBODY = 65534


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def plain_desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk of somebody who may not read everything."""
    if os.geteuid() != 0:
        yield Desk(tmp_path)
        return
    with TemporaryDirectory() as directory:
        os.chown(directory, _NOBODY, _NOBODY)
        os.seteuid(_NOBODY)
        try:
            yield Desk(Path(directory))
        finally:
            os.seteuid(0)
