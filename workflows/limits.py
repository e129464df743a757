"""The limits of a run's own bounds. Pure."""

from api.run_model import Configuration, RunFieldWrong

_RANGES: dict[str, tuple[float, float]] = {
    "max_iterations": (1, 20),
    "timeout_s": (60, 86_400),
    "budget_usd": (0, 1_000),
    "max_turns": (0, 500),
    "parallel": (1, 4),
}


def checked_configuration(config: Configuration) -> Configuration:
    """Return `config`. Raises `RunFieldWrong` for a bound outside of what any run may have."""
    for name, (low, high) in _RANGES.items():
        value = getattr(config, name)
        if not low <= value <= high:  # also false for NaN
            raise RunFieldWrong(name, f"it must be from {low:g} to {high:g}")
    return config
