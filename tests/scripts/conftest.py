"""A house for scripts that work on real sessions."""

from tests.e2e.conftest import demo_url, house

__all__ = ["demo_url", "house"]
