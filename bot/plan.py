"""Compare wished posts with existing ones: the steps that turn the latter into the former. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from bot.bodies import PostWish
from bot.rows import PostRow

PostKey = tuple[str, int]


class Create(msgspec.Struct, frozen=True):
    """Make the message. If that was tried before, `row` is its row."""

    wish: PostWish
    row: PostRow | None


class Edit(msgspec.Struct, frozen=True):
    """Edit the message so that it shows `wish`."""

    wish: PostWish
    row: PostRow
    message_id: int


class Remove(msgspec.Struct, frozen=True):
    """Delete the message; it may not exist any longer."""

    row: PostRow


Step = Create | Edit | Remove


def plan(wishes: Sequence[PostWish], posts: Mapping[PostKey, PostRow], removable: str) -> list[Step]:
    """Return the steps in the order in which to take them.

    Posts that ping come as early as the order of the messages allows, then the others in order. Unwished posts
    are removed if their subject is `removable`; others stay.
    """
    steps: list[Step] = []
    urgent = 0
    for wish in wishes:
        row = posts.get((wish.subject, wish.ordinal))
        if row is None or row.message_id is None:
            steps.append(Create(wish, row))
            urgent = len(steps) if wish.ping is not None else urgent
        # `UNKNOWN` equals no hash, so a post whose last edit is uncertain is edited again.
        elif not wish.once and row.shown != wish.shown:
            steps.append(Edit(wish, row, row.message_id))
    # Discord orders messages by their creation: posts above a ping must be made before it, but edits can wait.
    first = [each for each in steps[:urgent] if isinstance(each, Create)]
    rest = [each for each in steps[:urgent] if not isinstance(each, Create)] + steps[urgent:]
    wished = {(wish.subject, wish.ordinal) for wish in wishes}
    gone = [row for key, row in posts.items() if key[0] == removable and key not in wished]
    return [*first, *rest, *map(Remove, gone)]
