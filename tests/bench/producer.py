"""Appends stream lines to logs at a steady rate: `python -m tests.bench.producer LINES RATE SILENCE < paths`.

Each log gets LINES lines, RATE a second, spread evenly over the logs; with a SILENCE (seconds) the lines come
one by one with that pause instead. A delta carries the time of its append (monotonic nanoseconds, one clock
for all processes of the machine); every 50th line ends a block, which is what is stored.
"""

import json
import os
import sys
import time

STORED_EVERY = 50
_WORDS = " and then the next part of the answer comes along, "


def line_of(number: int, log: int) -> bytes:
    """The line with this number, its time filled in. Logs end their blocks at different times."""
    ident = f"{log:08x}-0000-4000-8000-{number:012d}"
    number += log
    now = f"<{time.monotonic_ns()}>"
    index = number // STORED_EVERY
    if number % STORED_EVERY == STORED_EVERY - 1:
        content = [{"type": "text", "text": f"{now}{_WORDS * 20}"}]
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content}
        whole = {"type": "assistant", "message": message, "parent_tool_use_id": None, "uuid": ident}
        stop = {"type": "stream_event", "event": {"type": "content_block_stop", "index": index}}
        block = {"type": "text", "text": ""}
        start = {"type": "content_block_start", "index": index + 1, "content_block": block}
        begin = {"type": "stream_event", "event": start, "parent_tool_use_id": None}
        return b"".join(json.dumps(each).encode() + b"\n" for each in (whole, stop, begin))
    delta = {"type": "text_delta", "text": f"{now}{_WORDS}"}
    event = {"type": "content_block_delta", "index": index, "delta": delta}
    facts = {"session_id": "s" * 36, "parent_tool_use_id": None, "uuid": ident, "api_message_id": "msg_1"}
    return json.dumps({"type": "stream_event", "event": event, **facts}).encode() + b"\n"


def main() -> None:
    lines, rate, silence_s = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    logs = [os.open(path, os.O_WRONLY | os.O_APPEND) for path in sys.stdin.read().splitlines()]
    step_s = silence_s or 1 / (rate * len(logs))
    due = time.monotonic()
    for number in range(lines):
        for place, log in enumerate(logs):
            due += step_s
            if (pause_s := due - time.monotonic()) > 0:
                time.sleep(pause_s)
            os.write(log, line_of(number, place))


if __name__ == "__main__":
    main()
