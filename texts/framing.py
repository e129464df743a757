"""Several parts as one run of bytes, for hashes."""

from collections.abc import Iterable


def framed(parts: Iterable[bytes]) -> bytes:
    """Return `parts`, each with its length before it. Parts that are cut elsewhere give other bytes."""
    return b"".join(len(part).to_bytes(8) + part for part in parts)
