"""The machine's free memory and disk. Below the reserve no process or turn starts, and people are told so."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import machine

# People notice it when programs wait for memory during one of the last ten seconds.
_PRESSED_PERCENT = 10.0


@dataclass(frozen=True, slots=True)
class MachineReserve:
    """The reserve, in bytes, and the directory whose disk counts. All methods block briefly.

    During a shortage, whoever waits looks again every `look_again_s` seconds: no event says that room came.
    """

    directory: Path
    min_free_memory: int = 0
    min_free_disk: int = 0
    look_again_s: float = 5.0

    def memory_shortage(self) -> str:
        """Return a sentence if less memory is free than the reserve, else an empty string."""
        free = machine.this().free_memory()
        if free is None or free >= self.min_free_memory:
            return ""
        return (
            f"The machine has {_megabytes(free)} of memory left and keeps {_megabytes(self.min_free_memory)} "
            "free, so Claude is not started now. It starts when there is room."
        )

    def needs_memory(self) -> bool:
        """Whether idle processes should end: free memory is below the reserve, or programs wait for memory."""
        pressure = machine.this().memory_pressure()
        return bool(self.memory_shortage()) or (pressure is not None and pressure >= _PRESSED_PERCENT)

    def disk_shortage(self) -> str:
        """Return a sentence if less disk space is free than the reserve, else an empty string."""
        free = shutil.disk_usage(self.directory).free
        if free >= self.min_free_disk:
            return ""
        return (
            f"The disk has {_megabytes(free)} left and keeps {_megabytes(self.min_free_disk)} free, so no turn "
            "is started now. Queued prompts wait and go on when there is room."
        )


def _megabytes(amount: int) -> str:
    return f"{amount / 2**20:,.0f} MB"
