"""The arguments of `claude-bridge workflow …`. Imports little: every `--help` reads them."""

import argparse
from dataclasses import dataclass, fields
from typing import Any

_WORKFLOW = """\
Takes a request from a plan to a report and a branch: RUN is an id, or its end, as `workflow list` prints it.
The runs go on while a bridge runs; `start --wait` stays until somebody has to decide.

exit codes: 0 done, 1 the bridge refused or failed, 2 bad usage or settings
"""
ACTS = {
    "start": "begin a run: the request as words",
    "list": "runs, newest first",
    "show": "a run: its plan with the commands, its tasks, its state",
    "approve": "approve the plan as `show` printed it",
    "revise": "let Claude plan again with your words",
    "pause": "begin nothing new; a running turn ends by itself",
    "resume": "go on where the run was",
    "take-over": "pause, to work in its session by hand",
    "retry": "do a task again",
    "skip": "leave a task out",
    "cancel": "end the run; its session and branch stay",
    "report": "print the report",
    "patch": "print all that the run changed as a patch",
    "merge": "merge a completed run into the branch it began at",
    "delete": "delete the record of a run that has ended",
    "templates": "the templates that a run can follow",
}
_WITHOUT_RUN = ("start", "list", "templates")


@dataclass(frozen=True, slots=True)
class Workflow:
    """`workflow ACT …`. `text` is the request, the words of a revision, or the words to look for."""

    act: str
    run: str = ""
    text: str = ""
    project: str = ""
    template: str = ""
    prd: str = ""
    checks: tuple[str, ...] = ()
    rounds: int | None = None
    minutes: int | None = None
    dollars: float | None = None
    turns: int | None = None
    parallel: int | None = None
    plan: str = ""
    task: int = 0
    more: int = 1
    wait: bool = False
    as_json: bool = False
    demo: bool = False


def add_workflow(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `workflow` with its acts."""
    does = "a request becomes a plan, tasks, checks and a branch"
    parser = commands.add_parser(
        "workflow",
        help=does,
        description=f"{does[0].upper()}{does[1:]}.",
        epilog=_WORKFLOW,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)
    for name, words in ACTS.items():
        act = acts.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
        act.add_argument(
            "--demo", action="store_true", default=argparse.SUPPRESS, help="on the built-in demo model"
        )
        act.add_argument("--json", dest="as_json", action="store_true", help="print JSON")
        if name not in _WITHOUT_RUN:
            act.add_argument("run", type=_not_empty, metavar="RUN", help="its id, or the end of it")
        _ADDS.get(name, _nothing)(act)


def _not_empty(typed: str) -> str:
    if not typed.strip():
        raise argparse.ArgumentTypeError("it is empty. `workflow list` shows the ids")
    return typed


def workflow_of(options: argparse.Namespace) -> Workflow:
    """Return the parsed arguments as a value."""
    known = {each.name for each in fields(Workflow)}
    given: dict[str, Any] = {name: value for name, value in vars(options).items() if name in known}
    given["text"] = " ".join(given.get("text") or ())
    given["checks"] = tuple(given.get("checks") or ())
    return Workflow(**given)


def _nothing(act: argparse.ArgumentParser) -> None:
    """Add nothing: the act has no arguments of its own."""


def _start(act: argparse.ArgumentParser) -> None:
    act.add_argument("text", metavar="REQUEST", nargs="+", help="what shall be done")
    act.add_argument("--project", default="", metavar="NAME", help="directory in WORKSPACE_ROOT")
    act.add_argument("--template", default="", metavar="NAME", help="see `workflow templates`")
    act.add_argument("--prd", default="", metavar="FILE", help="a file with the requirements")
    act.add_argument(
        "--check", dest="checks", action="append", metavar="'NAME: COMMAND'", help="a check; repeatable"
    )
    # No defaults here: None says that nobody typed the bound, so that of the template counts. 0 is a wish.
    act.add_argument("--rounds", type=int, metavar="N", help="rounds of implementing and checking (3)")
    act.add_argument("--minutes", type=int, metavar="N", help="minutes of Claude's work (120)")
    act.add_argument("--dollars", type=float, metavar="N", help="budget (none)")
    act.add_argument("--turns", type=int, metavar="N", help="turns of Claude (any number)")
    act.add_argument("--parallel", type=int, metavar="N", help="independent tasks at once (1)")
    act.add_argument("--wait", action="store_true", help="stay until somebody has to decide")


def _list(act: argparse.ArgumentParser) -> None:
    act.add_argument("text", metavar="WORDS", nargs="*", help="only runs with these words")
    act.add_argument("--project", default="", metavar="NAME", help="only those of this project")


def _approve(act: argparse.ArgumentParser) -> None:
    # Required: without it, the plan of this moment would be approved, whoever has seen it.
    act.add_argument(
        "--plan", required=True, metavar="DIGEST", help="the plan that you saw, as `show` names it"
    )
    act.add_argument("--wait", action="store_true", help="stay until somebody has to decide")


def _revise(act: argparse.ArgumentParser) -> None:
    act.add_argument("text", metavar="WORDS", nargs="+", help="what shall be different")


def _resume(act: argparse.ArgumentParser) -> None:
    act.add_argument("--more", type=int, default=1, metavar="N", help="at a bound: how much more (1)")
    act.add_argument("--wait", action="store_true", help="stay until somebody has to decide")


def _task(act: argparse.ArgumentParser) -> None:
    act.add_argument("task", type=int, metavar="NUMBER", help="its number in the list")


def _templates(act: argparse.ArgumentParser) -> None:
    act.add_argument(
        "--project", default="", metavar="NAME", help="also those of this project, if it is trusted"
    )


_ADDS = {
    "start": _start,
    "list": _list,
    "approve": _approve,
    "revise": _revise,
    "resume": _resume,
    "retry": _task,
    "skip": _task,
    "templates": _templates,
}
