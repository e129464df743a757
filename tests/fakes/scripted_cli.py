#!/usr/bin/env python3
"""A fake `claude` for fast fault tests: speaks stream-json and the control protocol, needs no model.

Stdlib only and without imports that cost time (start it with `-S -E`). Its lines have the shapes of the real
CLI's, which `tests/bridge/demo/test_scripted_cli.py` compares. The demo's directives work (text, long, big,
thinking, unicode, digest, block, slow, gate, bash, background, read, write, ask-question, plan, error);
braces work for text and write. A gate opens when `<config>/gates/NAME` exists (with SCRIPTED_GATES in the
environment: there), and `NAME.reached` says that a turn waits there. Faults of its own:

    cli:exit N        end at once with code N          cli:stall        this turn never goes on
    cli:crash         SIGKILL itself                   cli:hang         no input is read any more
    cli:torn          die in the middle of a line      cli:rubbish      lines that are no lines
    cli:ignore-term   survive SIGTERM                  cli:usage-limit  a rejected rate limit

Faults at the start: `<config>/scripted-start` holds one a line (`exit N`, `hang`, `rubbish`, `ignore-term`,
`ok`); each start takes the first line off, so four lines `exit 1` are a crash loop of four.
"""

# pathlib would be a good part of the start-up time
# ruff: noqa: PTH100, PTH120

import os
import sys

# Run as a program, with `-S -E`: nothing but the standard library is on the path.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from tests.fakes.scripted import quick_json as json
from tests.fakes.scripted.faults import start_fault
from tests.fakes.scripted.process import ScriptedCli
from tests.fakes.scripted.words import VERSION, fail, signal


def read_flags(argv: list[str]) -> dict[str, str]:
    valued = {"--session-id", "--resume", "--resume-session-at", "--model", "--permission-mode"}
    return {
        word: argv[n + 1] if word in valued and n + 1 < len(argv) else ""
        for n, word in enumerate(argv)
        if word.startswith("--")
    }


def main() -> None:
    flags = read_flags(sys.argv[1:])
    if "--version" in flags:
        print(f"{VERSION} (Claude Code)")
        return
    if sys.argv[1:3] == ["auth", "status"]:
        print(json.dumps({"loggedIn": True, "authMethod": "api_key", "apiProvider": "firstParty"}))
        return
    if os.isatty(0):
        fail("Error: Input must be provided either through stdin or as a prompt argument when using --print")
    cli = ScriptedCli(flags)
    signal.signal(signal.SIGTERM, lambda *_: cli.leave(143))
    signal.signal(signal.SIGHUP, lambda *_: cli.leave(129))
    signal.signal(signal.SIGINT, lambda *_: setattr(cli, "ending", True))
    start_fault(cli.config)
    prompts = cli.transcript.prompts()
    if (
        os.environ.get("CLAUDE_CODE_RESUME_INTERRUPTED_TURN")
        and prompts
        and prompts[-1]["uuid"] not in cli.transcript.done
    ):
        cli.take_prompt({"type": "user", "uuid": prompts[-1]["uuid"], "message": prompts[-1]["message"]})
    cli.run()


if __name__ == "__main__":
    main()
