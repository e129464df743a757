"""Appends stream lines to logs at a steady rate.

`python -m tests.bench.producer LINES RATE SILENCE AT_ONCE`, the paths of the logs on stdin: each log gets LINES
lines, RATE a second, AT_ONCE lines a write, spread evenly over the logs; with a SILENCE
(seconds) the writes come one by one with that pause instead. A delta carries the time of its write (monotonic
nanoseconds, one clock for all processes of the machine); every 50th line ends a block, which is what is stored.

Lines are made from templates: the producer shares the machine with what is measured.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

STORED_EVERY = 50
_WORDS = " and then the next part of the answer comes along, "


def _line(body: Mapping[str, Any]) -> bytes:
    """`body` as a template: only `%(…)s` and `%(…)d` are filled in."""
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def _templates() -> tuple[bytes, bytes]:
    """A delta, and the end of a block: the whole block, its end, the beginning of the next one."""
    delta = {"type": "text_delta", "text": f"<%(now)d>{_WORDS}"}
    event = {"type": "content_block_delta", "index": "INDEX", "delta": delta}
    facts = {"session_id": "s" * 36, "parent_tool_use_id": None, "uuid": "%(uuid)s", "api_message_id": "msg_1"}
    content = [{"type": "text", "text": f"<%(now)d>{_WORDS * 20}"}]
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content}
    whole = {"type": "assistant", "message": message, "parent_tool_use_id": None, "uuid": "%(uuid)s"}
    stop = {"type": "stream_event", "event": {"type": "content_block_stop", "index": "INDEX"}}
    block = {"type": "text", "text": ""}
    start = {"type": "content_block_start", "index": "NEXT", "content_block": block}
    begin = {"type": "stream_event", "event": start, "parent_tool_use_id": None}
    bodies: tuple[Mapping[str, Any], ...] = (
        {"type": "stream_event", "event": event, **facts},
        whole,
        stop,
        begin,
    )
    ready = [_line(each) for each in bodies]
    delta_line, *end = (
        line.replace(b'"INDEX"', b"%(index)d").replace(b'"NEXT"', b"%(next)d") for line in ready
    )
    return delta_line, b"".join(end)


_DELTA, _END = _templates()


def lines_of(number: int, log: int, now: int) -> bytes:
    """The line with this number, written at `now`. Logs end their blocks at different times."""
    place = number + log
    index = place // STORED_EVERY
    template = _END if place % STORED_EVERY == STORED_EVERY - 1 else _DELTA
    ident = b"%08x-0000-4000-8000-%012d" % (log, number)
    return template % {b"now": now, b"uuid": ident, b"index": index, b"next": index + 1}


def main() -> None:
    lines, rate, silence_s, at_once = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    logs = [os.open(path, os.O_WRONLY | os.O_APPEND) for path in sys.stdin.read().splitlines()]
    step_s = silence_s or at_once / (rate * len(logs))
    due = time.monotonic()
    for first in range(0, lines, at_once):
        for place, log in enumerate(logs):
            due += step_s
            if (pause_s := due - time.monotonic()) > 0.001:
                time.sleep(pause_s)
            now = time.monotonic_ns()
            numbers = range(first, min(first + at_once, lines))
            os.write(log, b"".join(lines_of(number, place, now) for number in numbers))


if __name__ == "__main__":
    main()
