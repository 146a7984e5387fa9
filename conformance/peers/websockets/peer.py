"""Python's websockets as a peer: see ../README.md."""

import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

SIZE = 1 << 20


def options(factory, compression):
    parameters = {}
    for parameter in [] if compression in ("on", "off") else compression.split(","):
        name, _, value = parameter.partition("=")
        parameters[name] = int(value) if value else True
    extensions = [] if compression == "off" else [factory(**parameters)]
    return {"compression": None, "extensions": extensions, "max_size": SIZE}


async def echo(ws):
    print("extensions", ws.response.headers.get("Sec-WebSocket-Extensions", "none"), flush=True)
    try:
        while True:
            message = await ws.recv()
            if message == "ping me":
                await (await ws.ping("are you there?"))
                await ws.send("pong came")
            elif message == "close me":
                await ws.close(4322, "as you wish: どうぞ")
            elif isinstance(message, str) and message.startswith("in pieces"):
                third = len(message) // 3
                await ws.send([message[:third], "", message[third : 2 * third], message[2 * third :]])
            else:
                await ws.send(message)
    except ConnectionClosed as closed:
        print("closed", closed.rcvd.code, closed.rcvd.reason, flush=True)


async def run_server(compression):
    async with serve(echo, "127.0.0.1", 0, **options(ServerPerMessageDeflateFactory, compression)) as server:
        print("listening on %s:%d" % server.sockets[0].getsockname(), flush=True)
        await server.serve_forever()


async def run_client(url, compression):
    async with connect(url, proxy=None, **options(ClientPerMessageDeflateFactory, compression)) as ws:
        print("extensions", ws.response.headers.get("Sec-WebSocket-Extensions", "none"), flush=True)
        messages = ["hello", "Grüße, κόσμε, 世界, 🦍", bytes(range(256)), "", b"", "0123456789abcdef" * (SIZE // 16)]
        for message in messages:
            await ws.send(message)
            assert await ws.recv() == message, f"not what was sent: {message[:40]!r}"
        await ws.send(["in ", "", "pieces: 世", "界"])
        assert await ws.recv() == "in pieces: 世界"
        await ws.send([b"\0\1", b"\2", b""])
        assert await ws.recv() == b"\0\1\2"

        burst = [f"message {i}" for i in range(2000)]
        sending = asyncio.gather(*map(ws.send, burst))
        assert [await ws.recv() for _ in burst] == burst
        await sending

        await (await ws.ping("are you there?"))
        await ws.close(4321, "done: 完了")
        print("closed", ws.close_code, ws.close_reason, flush=True)


match sys.argv[1:]:
    case ["serve", compression]:
        asyncio.run(run_server(compression))
    case ["connect", url, compression]:
        asyncio.run(run_client(url, compression))
