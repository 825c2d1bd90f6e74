"""A WebSocket client on the Python library `websockets`."""

import asyncio
import ssl

from websockets.asyncio.client import connect as handshake
from websockets.exceptions import ConnectionClosed

from lines import serve
from pattern import payload, split

ws = None


async def connect(address, port, host, path, subprotocols=None, compress=False, headers=None, ca=None):
    global ws
    ws = await handshake(
        f"{'wss' if ca else 'ws'}://{host}{path}",
        host=address,
        port=port,
        proxy=None,
        ssl=ssl.create_default_context(cadata=ca) if ca else None,
        subprotocols=subprotocols or None,
        compression="deflate" if compress else None,
        additional_headers=headers or {},
        max_size=64 << 20,
        ping_interval=None,
        open_timeout=60,
        close_timeout=60,
    )
    extensions = ws.response.headers.get("Sec-WebSocket-Extensions", "")
    return {"subprotocol": ws.subprotocol or "", "extensions": extensions}


async def echo(kind, size, seed, fragments=1):
    sent = payload(kind, size, seed)
    await ws.send(sent if fragments == 1 else split(sent, fragments))
    got = await ws.recv()
    if got != sent:
        raise ValueError(f"sent {type(sent).__name__} of {len(sent)}, got {type(got).__name__} of {len(got)}")


async def ask(text):
    await ws.send(text)
    return {"text": await ws.recv(decode=True)}


async def order(text):
    await ws.send(text)


async def ping(payload):
    await (await ws.ping(payload))


async def close(code, reason):
    await ws.close(code, reason)
    return {"code": ws.close_code, "reason": ws.close_reason}


async def closed():
    try:
        while True:
            await ws.recv()
    except ConnectionClosed:
        return {"code": ws.close_code, "reason": ws.close_reason}


operations = {"connect": connect, "echo": echo, "ask": ask, "order": order, "ping": ping, "close": close, "closed": closed}
asyncio.run(serve(operations))
