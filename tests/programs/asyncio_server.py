"""An asyncio server that counts what each of its clients sends, line by line."""

import asyncio
import sys


async def serve(reader, writer):
    count = 0
    while line := await reader.readline():
        count += 1
        writer.write(b"%d %s" % (count, line))
        await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    async with server:
        await server.serve_forever()


asyncio.run(main())
