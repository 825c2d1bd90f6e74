"""JSON lines on standard input and output; ends with standard input."""

import asyncio
import json
import sys


def say(**fields):
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


async def serve(operations):
    """Runs `operations[op](**arguments)` for each line, one after the other, and says what it returns."""
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        call = json.loads(line)
        try:
            say(**(await operations[call.pop("op")](**call) or {"ok": True}))
        except Exception as error:
            say(error=f"{type(error).__name__}: {error}")
