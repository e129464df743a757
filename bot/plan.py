"""What is wished against what is: the steps that turn the one into the other. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.bodies import PostWish
from bot.rows import PostRow

PostKey = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Create:
    """Make the message; `row` is there already if that was tried before."""

    wish: PostWish
    row: PostRow | None


@dataclass(frozen=True, slots=True)
class Edit:
    """Let the message show something else."""

    wish: PostWish
    row: PostRow
    message_id: int


@dataclass(frozen=True, slots=True)
class Remove:
    """Take the message away; it may be gone already."""

    row: PostRow


Step = Create | Edit | Remove


def plan(wishes: Sequence[PostWish], posts: Mapping[PostKey, PostRow], removable: str) -> list[Step]:
    """The steps in the order to be taken.

    What pings comes as early as the order of the messages allows, then the rest in order. Posts of the subject
    `removable` that nobody wishes go; those of others stay.
    """
    steps: list[Step] = []
    urgent = 0
    for wish in wishes:
        row = posts.get((wish.subject, wish.ordinal))
        if row is None or row.message_id is None:
            steps.append(Create(wish, row))
            urgent = len(steps) if wish.ping is not None else urgent
        elif row.shown != wish.shown:
            steps.append(Edit(wish, row, row.message_id))
    first = [each for each in steps[:urgent] if isinstance(each, Create)]
    rest = [each for each in steps[:urgent] if not isinstance(each, Create)] + steps[urgent:]
    wished = {(wish.subject, wish.ordinal) for wish in wishes}
    gone = [row for key, row in posts.items() if key[0] == removable and key not in wished]
    return [*first, *rest, *map(Remove, gone)]
