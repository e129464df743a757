"""Faults of the scripted CLI on request, in a turn or at its start."""

# pathlib would be a good part of the start-up time
# ruff: noqa: PTH103, PTH110, PTH120, PTH123

from __future__ import annotations

import os
import sys
from _collections_abc import Iterator

from tests.fakes.scripted.words import Wait, number, signal, write_all


def at_gate(path: str) -> Iterator[Wait]:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(f"{path}.reached", "w"):
        pass
    yield (lambda: os.path.exists(path)), True


def fault(word: str, argument: str) -> Iterator[Wait]:
    match word:
        case "exit":
            os._exit(number(argument, 1))
        case "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        case "torn":
            write_all(b'{"type":"assistant","message":{"content":[{"type":"text","te')
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            while True:
                signal.pause()
        case "stall":
            yield (lambda: False), False
        case "rubbish":
            write_all(
                b"this is no JSON\n\xff\xfe\x00\n[1, 2]\n"
                + b"[" * 5000
                + b'\n{"type":"never_heard_of","x":1}\n\n'
            )
            write_all(b'{"type":"system","subtype":"strange","text":"half \\ud83d"}\n')
        case "ignore-term":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)


def start_fault(config: str) -> None:
    path = f"{config}/scripted-start"
    if os.path.exists(path):
        with open(path) as file:
            first, _, rest = file.read().partition("\n")
        with open(path, "w") as file:
            file.write(rest)
        word, _, argument = first.strip().partition(" ")
        if word == "exit":
            fail_code = number(argument, 1)
            sys.stderr.write(f"scripted: ends at its start with code {fail_code}\n")
            sys.stderr.flush()
            os._exit(fail_code)
        for _ in fault(word, argument):
            pass
