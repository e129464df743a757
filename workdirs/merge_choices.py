"""The closed vocabularies of a merge that faces name: how commits arrive, and why a checkout blocks one.

Apart from the code that merges: a face that only names these loads no git and no storage.
"""

from enum import StrEnum


class Strategy(StrEnum):
    """How the commits of a branch arrive: as one, with a merge commit, or one by one on top of the target."""

    SQUASH = "squash"
    MERGE = "merge"
    REBASE = "rebase"


class WhyBlocked(StrEnum):
    """Why a path of the merge keeps it from a checkout."""

    CHANGED = "changed"  # the file has changes that no commit has
    STAGED = "staged"
    IN_THE_WAY = "in_the_way"  # a file lies there that git does not know, ignored ones included
    FILTERED = "filtered"  # it would go through a program or a conversion of the repository
    SUBMODULE = "submodule"
