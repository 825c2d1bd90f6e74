"""A WebSocket echo server on the Python library `websockets`; see README.md for what it can be asked."""

import asyncio
import json

from websockets.asyncio.server import serve as accept
from websockets.exceptions import ConnectionClosed

from lines import say, serve
from pattern import payload, split

server = None


async def command(ws, text):
    name, *args = text.split(" ")
    if name == "!info":
        headers = [[k.lower(), v] for k, v in ws.request.headers.raw_items()]
        extensions = ws.response.headers.get("Sec-WebSocket-Extensions", "")
        info = {"path": ws.request.path, "headers": headers, "subprotocol": ws.subprotocol or "", "extensions": extensions}
        await ws.send(json.dumps(info))
    elif name == "!close":
        await ws.close(int(args[0]), " ".join(args[1:]))
    elif name == "!ping":
        waiter = await ws.ping(args[0])

        async def answer():
            await waiter
            await ws.send(f"pong {args[0]}")

        asyncio.create_task(answer())
    elif name == "!send":
        kind, size, seed, fragments = args[0], int(args[1]), int(args[2]), int(args[3])
        body = payload(kind, size, seed)
        await ws.send(body if fragments == 1 else split(body, fragments))


async def session(ws):
    try:
        async for message in ws:
            if isinstance(message, str) and message.startswith("!"):
                await command(ws, message)
            else:
                await ws.send(message)
    except ConnectionClosed:
        pass
    finally:
        await ws.wait_closed()
        say(event="closed", code=ws.close_code, reason=ws.close_reason)


async def listen(subprotocols=None, compress=False):
    global server
    server = await accept(
        session,
        "127.0.0.1",
        0,
        subprotocols=subprotocols or None,
        # By default a handshake that offers none is refused.
        select_subprotocol=lambda _, offered: next((p for p in offered if p in (subprotocols or [])), None),
        compression="deflate" if compress else None,
        max_size=64 << 20,
        ping_interval=None,
        close_timeout=60,
    )
    return {"port": server.sockets[0].getsockname()[1]}


asyncio.run(serve({"listen": listen}))
