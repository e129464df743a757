"""The one writer beside readers, against SQLite alone; the measure itself is a test of `storage`."""

from pathlib import Path

from tests.bench.figures import Figure
from tests.storage.test_writer_bench import plain_rows_per_s, writer_rows_per_s


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    """The best of some rounds of each, in turns: both are met by whatever else the machine does."""
    plain, ours = 0.0, 0.0
    for number in range(4 if short else 8):
        plain = max(plain, plain_rows_per_s(directory / f"plain-{number}.db"))
        rows_per_s, _ = await writer_rows_per_s(directory / f"ours-{number}.db")
        ours = max(ours, rows_per_s)
    return [Figure("writer beside readers", ours, "rows/s", plain, "plain executemany", at_least=0.5)]
