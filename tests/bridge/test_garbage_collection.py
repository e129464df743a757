"""The collector is left as it was found."""

import gc

from bridge.garbage_collection import rare_collections


def test_inside_the_collector_looks_rarely_and_not_at_what_was_there() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with rare_collections():
        assert gc.get_threshold()[0] > before[0]
        assert gc.get_freeze_count() > frozen + 1000
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
