"""The rules of checkpoints: values from the settings, so that a start need not load the engine."""

from pathlib import Path

import msgspec

from workdirs.model import Caps


class RetentionAges(msgspec.Struct, frozen=True):
    """Days: all checkpoints stay for `all_days`, ends of turns for `ends_days`, one a day for `daily_days`."""

    all_days: float = 7
    ends_days: float = 30
    daily_days: float = 90


class CheckpointRules(msgspec.Struct, frozen=True):
    """Where checkpoints lie, how much they may take, how long they stay.

    `private` are places that no work directory may hold: a home, the data directory, the workspace root.
    """

    root: Path
    caps: Caps
    ages: RetentionAges
    private: tuple[Path, ...] = ()
    deadline_s: float = 120.0
