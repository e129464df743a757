"""The keys of acts: a key names one act, and the same act sent again is done once."""

import hashlib
from collections import OrderedDict

from texts.framing import framed

_MOST = 10_000


def fingerprint(*content: bytes) -> str:
    """Return a short name of an act's content."""
    # Framed: otherwise two acts whose parts are cut elsewhere would have one fingerprint.
    return hashlib.blake2b(framed(content), digest_size=12).hexdigest()


class ActKeys:
    """The newest keys with the fingerprints of their acts.

    An act's origin has its fingerprint, too. So also a key that is forgotten here can never make the core take
    another act for the one that is done already, and lose it.
    """

    def __init__(self) -> None:
        self._acts: OrderedDict[tuple[str, str], str] = OrderedDict()

    def names(self, user_id: str, key: str, act: str) -> bool:
        """Note that `key` of the person names `act`; False if it names another one already."""
        # Decided without an await, before the act begins: of two acts at once under one key, one is refused.
        known = self._acts.setdefault((user_id, key), act)
        self._acts.move_to_end((user_id, key))
        if len(self._acts) > _MOST:
            self._acts.popitem(last=False)
        return known == act
