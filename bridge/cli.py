"""The command line: parses arguments and calls the function of each command. Imports little: `--help` is quick.

Exit codes: 0 success, 1 Claude or the bridge failed, 2 bad usage or settings.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

from bridge.invocation import (
    OK,
    Chat,
    ChatOnce,
    Completion,
    Doctor,
    Init,
    InstallSkill,
    Invocation,
    Mcp,
    Run,
    Shell,
    ShowStatus,
    Watch,
    Web,
)
from bridge.session_arguments import SessionAct, act_of, add_backup, add_session
from bridge.workflow_arguments import Workflow, add_workflow, workflow_of
from texts.os_text import cleaned

_EPILOG = """\
Without a command the bridge starts: with a DISCORD_TOKEN as a Discord bot, without one in this terminal.
Settings come from the environment and from the file .env; .env.example explains each of them.

exit codes: 0 all went well, 1 Claude or the bridge failed, 2 bad usage or settings
"""
_RUN = """\
exit codes: 0 it was stopped, 1 the bridge failed, 2 bad usage or settings
"""
_WEB = """\
Gives a link to the dashboard of a running bridge. Without one it serves the dashboard itself, until Ctrl-C.
The link logs in one browser, once, within five minutes.

exit codes: 0 done, 1 the bridge failed, 2 bad usage or settings
"""
_CHAT = """\
Without --session it continues the last session, or begins one. It joins a running bridge; leaving it stops
nothing. With --once nobody can answer Claude's questions, so each is refused and reported.

exit codes: 0 done, 1 Claude failed, 2 bad usage or settings
"""
_WATCH = """\
Needs no bridge and changes nothing. Ends with Claude's process or with Ctrl-C. To watch a session by its id,
use scripts/watch.py
"""
_SKILL = """\
Run it in the directory where the bridge starts: the scripts of the skill find its settings there. Files that
somebody edited are left as they are and named. Sessions of the bridge need no skill: they have tools.

exit codes: 0 done, 1 edited files were left or it cannot be written, 2 bad usage
"""
_COMPLETION = """\
For bash: claude-bridge completion bash >~/.local/share/bash-completion/completions/claude-bridge

exit codes: 0 done, 2 bad usage
"""
_MCP = """\
An agent starts it, for example: claude mcp add bridge -- claude-bridge mcp. It needs the extra mcp and a
running bridge, which it finds again after a restart.

exit codes: 0 the client is gone, 1 it failed, 2 bad usage or settings
"""
_STATUS = """\
The terminal on the demo model is a separate bridge with its own sessions; --demo shows that one.

exit codes: 0 it runs, 1 nothing runs, 2 wrong settings
"""
_INIT = """\
Run it in a terminal, in the directory where the bridge starts. It writes nothing before the last answer and
changes an existing .env only after a yes. It keeps all other settings.

exit codes: 0 .env is written or stays as it is, 1 left early or something failed, 2 no terminal
"""
_DOCTOR = """\
The checks leave nothing behind.

exit codes: 0 all is well (warnings included), 1 a check failed, 2 wrong settings
"""
# Written out: the enumeration would load the whole model of sessions for each `--help`.
_MODES = ("default", "acceptEdits", "plan", "dontAsk", "auto", "bypassPermissions")


def parse(arguments: Sequence[str]) -> Invocation:
    """Parse the command line. Ends the program (`SystemExit`, code 0 or 2) for help and bad usage."""
    parser = _parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        # argparse would print the usage of the whole program instead of that of the command.
        _chosen(parser, options).error(f"unrecognized arguments: {' '.join(unknown)}")
    for name, value in vars(options).items():
        # Paths are left as they are: any bytes can name a file.
        setattr(options, name, cleaned(value))
    match options.command:
        case None | "run":
            return Run(options.demo)
        case "web":
            return Web(options.demo)
        case "watch":
            return Watch(options.directory)
        case "status":
            return ShowStatus(options.demo, options.json)
        case "init":
            return Init()
        case "workflow":
            return workflow_of(options)
        case "skill":
            return InstallSkill(options.project, options.force)
        case "completion":
            return Completion(Shell(options.shell))
        case "session" | "backup":
            return act_of(f"{options.command} {options.act}", options)
        case "mcp":
            return Mcp(options.demo, options.read_only)
        case "doctor":
            return Doctor(options.json, options.live)
        case _:
            chat = Chat(options.session, options.demo, options.project, options.model, options.mode)
            if options.once is not None:
                return ChatOnce(options.once, chat, options.json)
            if options.json:
                parser.error("--json needs --once")
            return chat


def run(arguments: Sequence[str]) -> int:
    """Carry out the command in `arguments`; return the exit code."""
    invocation = parse(arguments)
    match invocation:
        case Watch():
            from console.watch import watch

            return watch(invocation.directory, sys.stdout)
        case Run():
            from bridge.cli_run import run_bridge

            return run_bridge(invocation)
        case Web():
            from bridge.cli_web import web

            return web(invocation)
        case Chat():
            from bridge.cli_chat import chat

            return chat(invocation)
        case ChatOnce():
            from bridge.cli_chat import chat_once

            return chat_once(invocation)
        case ShowStatus():
            from bridge.cli_status import show_status

            return show_status(invocation)
        case Workflow():
            from bridge.cli_workflow import workflow

            return workflow(invocation)
        case InstallSkill():
            from bridge.skill import skill

            return skill(invocation)
        case Completion():
            from bridge.completion import script

            print(script(_parser(), invocation.shell), end="")
            return OK
        case SessionAct():
            from bridge.cli_session import session

            return session(invocation)
        case Mcp():
            from bridge.cli_mcp import mcp

            return mcp(invocation)
        case Init():
            from bridge.first_run import init

            return init()
        case Doctor():
            from bridge.doctor import doctor

            return doctor(as_json=invocation.as_json, only_live=invocation.only_live)
        case _:
            assert_never(invocation)


def _chosen(parser: argparse.ArgumentParser, options: argparse.Namespace) -> argparse.ArgumentParser:
    """Return the parser of the command, and of its act, that `options` came from."""
    for each in parser._actions:  # noqa: SLF001 (nothing public tells the parsers of commands)
        if isinstance(each, argparse._SubParsersAction) and getattr(options, each.dest, None):  # noqa: SLF001
            return _chosen(each.choices[getattr(options, each.dest)], options)
    return parser


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-bridge",
        description="Drive Claude Code sessions that outlive this program, from Discord or the terminal.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="print the version and exit")
    parser.add_argument("--demo", action="store_true", help="in this terminal, on the built-in demo model")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_demo(
        _add(commands, "run", "start the bridge, as without a command", _RUN),
        "in this terminal, on the built-in demo model",
    )
    _add_chat(commands)
    _add_demo(
        _add(commands, "web", "open the dashboard in a browser: prints a link that logs in", _WEB),
        "of the demo",
    )
    add_workflow(commands)
    add_session(commands)
    add_backup(commands)
    mcp = _add(commands, "mcp", "serve tools for agents outside, over MCP on stdin and stdout", _MCP)
    mcp.add_argument("--read-only", action="store_true", help="only the tools that change nothing")
    _add_demo(mcp, "of the demo")
    watch = _add(commands, "watch", "show what the Claude of a host directory says and does, live", _WATCH)
    watch.add_argument("directory", type=Path, metavar="DIR", help="DATA_DIR/run/SESSION/NUMBER")
    status = _add(commands, "status", "say whether the bridge runs, and which sessions there are", _STATUS)
    _add_demo(status, "of the demo")
    status.add_argument("--json", action="store_true", help="as JSON")
    _add(commands, "init", "set a Discord bot up: ask, check each answer, write .env", _INIT)
    doctor = _add(commands, "doctor", "check everything, and say what to do; has the invite link", _DOCTOR)
    doctor.add_argument("--json", action="store_true", help="as JSON")
    doctor.add_argument("--live", action="store_true", help="only whether a bridge runs here and answers")
    skill = _add(commands, "skill", "a skill for your own Claude that keeps a session's record", _SKILL)
    skill.add_argument("act", choices=["install"], help="write it, or a newer version of it")
    skill.add_argument("--project", type=Path, metavar="DIR", help="into DIR/.claude instead of your own")
    skill.add_argument("--force", action="store_true", help="replace files that were edited, too")
    completion = _add(commands, "completion", "print a script that completes these words", _COMPLETION)
    completion.add_argument("shell", choices=[each.value for each in Shell], help="which shell")
    return parser


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, does: str, details: str
) -> argparse.ArgumentParser:
    """Add a command. Its own `--help` repeats `does` and adds `details`."""
    return commands.add_parser(
        name,
        help=does,
        description=f"{does[0].upper()}{does[1:]}.",
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_demo(command: argparse.ArgumentParser, does: str) -> None:
    # No default here: it would overwrite a `--demo` typed before the command.
    command.add_argument("--demo", action="store_true", default=argparse.SUPPRESS, help=does)


def _add_chat(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    chat = _add(commands, "chat", "talk to Claude in this terminal", _CHAT)
    chat.add_argument("--once", metavar="PROMPT", help="one turn, the answer on stdout; - reads it from stdin")
    chat.add_argument("--session", metavar="ID", default="", help="go on with this session")
    chat.add_argument("--project", metavar="NAME", default="", help="directory in WORKSPACE_ROOT (new session)")
    chat.add_argument("--model", default="", help="Claude's model (new session)")
    chat.add_argument("--mode", choices=_MODES, default="", help="what needs no permission (new session)")
    _add_demo(chat, "on the built-in demo model, without an account")
    chat.add_argument("--json", action="store_true", help="with --once: print one JSON object")


class _ShowVersion(argparse.Action):
    """`--version`. Looks the version up only on request: the look-up takes longer than all other parsing."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("claude-discord-bridge")
        except PackageNotFoundError:  # run from a copy of the sources
            found = "of an unknown version: it is not installed"
        print(f"{parser.prog} {found}")
        parser.exit()
