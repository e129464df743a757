"""Editing the list of tasks. Pure."""

from collections.abc import Sequence

from msgspec.structs import replace

from api.run_model import RunFieldWrong, RunTask, TaskStatus
from workflows.answers import MOST_TASKS, AnswerWrong, checked_tasks
from workflows.model import Run


def edited_tasks(run: Run, wished: Sequence[RunTask]) -> tuple[RunTask, ...]:
    """Return the list as a person wants it. New tasks get ids; tasks that have begun keep their state.

    Raises `RunFieldWrong` if a task that has begun is dropped or changed, or if a text does not fit.
    """
    known = {each.id: each for each in run.tasks}
    if len(wished) > MOST_TASKS or not wished:
        raise RunFieldWrong("tasks", f"there must be 1 to {MOST_TASKS}")
    if len({each.id for each in wished if each.id}) != sum(1 for each in wished if each.id):
        raise RunFieldWrong("tasks", "one is listed twice")
    if left := [
        each for each in run.tasks if each.status is not TaskStatus.TODO and each not in _same(wished, known)
    ]:
        raise RunFieldWrong("tasks", f"“{left[0].title}” has begun, so it stays as it is")
    # Above all numbers in use: steps and sessions are named by them.
    number = max((int(each.id) for each in run.tasks if each.id.isdecimal()), default=0)
    made = []
    for each in wished:
        if each.id and each.id not in known:
            raise RunFieldWrong("tasks", "a new task has no id")
        if each.id and known[each.id].status is not TaskStatus.TODO:
            made.append(known[each.id])
            continue
        number += not each.id
        made.append(_checked(replace(each, id=each.id or str(number), status=TaskStatus.TODO, said="")))
    return tuple(made)


def _same(wished: Sequence[RunTask], known: dict[str, RunTask]) -> list[RunTask]:
    """Return the known tasks that are listed unchanged."""
    return [known[each.id] for each in wished if each.id in known and _wished(each) == _wished(known[each.id])]


def _wished(task: RunTask) -> tuple[str, str, tuple[str, ...], bool]:
    """Return the part of a task that people decide on."""
    return task.title, task.details, task.acceptance, task.independent


def _checked(task: RunTask) -> RunTask:
    """Check a person's task as Claude's are checked."""
    try:
        (made,) = checked_tasks([task])
    except AnswerWrong as wrong:
        raise RunFieldWrong("tasks", str(wrong)) from wrong
    return replace(made, id=task.id, attempts=task.attempts)
