"""Bare Tornado, as the yardstick: an echo, and a loop of `write_message` to everyone in a room.

    python -m bench.echo_server --port 21000

It prints `ready` once it listens.
"""

from __future__ import annotations

import argparse
import asyncio

from tornado.web import Application
from tornado.websocket import WebSocketHandler


class Echo(WebSocketHandler):
    """`/echo`: each message comes back."""

    def open(self, *args: str, **kwargs: str) -> None:
        self.set_nodelay(True)

    def on_message(self, message: str | bytes) -> None:
        self.write_message(message)


class Room(WebSocketHandler):
    """`/room`: each message goes to all others, then comes back to its sender, as an answer would."""

    present: set[Room] = set()

    def open(self, *args: str, **kwargs: str) -> None:
        self.set_nodelay(True)
        self.present.add(self)

    def on_message(self, message: str | bytes) -> None:
        for other in self.present:
            if other is not self:
                other.write_message(message)
        self.write_message(message)

    def on_close(self) -> None:
        self.present.discard(self)


async def _serve(port: int) -> None:
    application = Application([("/echo", Echo), ("/room", Room)], log_function=lambda handler: None)
    application.listen(port, "127.0.0.1")
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.echo_server", description="Bare Tornado, to compare with.")
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(_serve(parser.parse_args().port))
