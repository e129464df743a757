"""Carry bytes between two connections, each direction until its end, with bounded buffers."""

import asyncio

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_CHUNK = 1 << 16


async def tunnel(one: Streams, other: Streams, *, idle_s: float) -> None:
    """Carry bytes both ways until both directions have ended, one breaks, or nothing came for `idle_s`."""
    clock = asyncio.get_running_loop()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK):
            deadline.reschedule(clock.time() + idle_s)
            writer.write(chunk)
            # Waits while the other side does not read: at most a buffer of each way lies in memory.
            await writer.drain()
        # Half-closed: some programs end their sending and still wait for the answer.
        writer.write_eof()

    try:
        async with asyncio.timeout(idle_s) as deadline, asyncio.TaskGroup() as ways:
            ways.create_task(carry(one[0], other[1]), name="tunnel out")
            ways.create_task(carry(other[0], one[1]), name="tunnel in")
    except* (OSError, TimeoutError):
        pass
    finally:
        for _, writer in (one, other):
            writer.close()
