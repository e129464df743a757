"""The limits of a run's own bounds. Pure."""

from api.run_model import Configuration, RunFieldWrong

_RANGES: dict[str, tuple[float, float]] = {
    "max_iterations": (1, 20),
    "timeout_s": (60, 86_400),
    "budget_usd": (0, 1_000),
    "max_turns": (0, 500),
    "parallel": (1, 4),
}
_WORDS = {
    "max_iterations": ("number of rounds", "it must be from 1 to 20"),
    "timeout_s": ("time limit", "it must be from 1 to 1,440 minutes"),
    "budget_usd": ("budget", "it must be from 0 to 1,000 dollars"),
    "max_turns": ("number of turns", "it must be from 0 to 500"),
    "parallel": ("number of tasks at once", "it must be from 1 to 4"),
}


def checked_configuration(config: Configuration) -> Configuration:
    """Return `config`. Raises `RunFieldWrong` for a bound outside of what any run may have."""
    for name, (low, high) in _RANGES.items():
        value = getattr(config, name)
        if not low <= value <= high:  # also false for NaN
            raise RunFieldWrong(*_WORDS[name])
    return config
