"""`scripts/chat.sh`: a person at a terminal, or a pipe, talks as any client does, by any door.

The user and a session are made straight in the store, so it runs where the system runs. Exit codes: 0 fine, 1 failed
(nobody listens, the store is away, the gateway sent us away), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import sys
import threading
from pathlib import Path

from conf.logs import configure_logs
from conf.settings import BadSettings, Settings, load
from logic.app import open_store
from protocol.ids import is_id
from scripts import chat_lines
from scripts.chat_commands import Chat, Screen
from scripts.chat_connection import Lost
from scripts.chat_device import Device
from scripts.chat_doors import DOORS, address
from scripts.probes import accepts
from scripts.seed import seed_users
from scripts.templates import ROOT
from store import meta
from store.errors import StoreError

FAILED = 1
CHUNK_BYTES = 64 * 1024


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/chat.sh",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Chat as USER; it exists from then on. 以 USER 的身份聊天，不存在则创建。",
        epilog=f"While it runs 运行时:\n{chat_lines.HELP}",
    )
    parser.add_argument("user", metavar="USER", help="who you are 你是谁")
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument("--to", metavar="USER", help="whom to talk to 与谁聊天")
    whom.add_argument("--group", metavar="ID", help="the group to talk to 在哪个群")
    parser.add_argument("--port", type=int, help="the gateway's; by default 8000 if it is open, else 9001 网关端口")
    parser.add_argument("--door", choices=DOORS, default="ws", help="WebSocket, TCP or long-poll 接入方式")
    parser.add_argument("--config", type=Path, help="by default the file of conf/ that fits the port 配置文件")
    options = parser.parse_args(words)
    for ident in (options.user, options.to, options.group):
        if ident is not None and not is_id(ident):
            parser.error(f"{ident!r} is no id: 1 to 64 of A-Z a-z 0-9 _ . -")
    if options.user.startswith("_"):
        parser.error("ids that begin with _ are the system's")
    return options


def choose_door(door: str, port: int | None, config: Path | None) -> tuple[Settings, int]:
    """The settings and the port of this door; a port that is given is the door's."""
    if door != "tcp":
        return choose(port, config)
    settings, _ = choose(None, config)
    is_cluster = settings.mode == "cluster"
    return settings, port or (settings.cluster.first_gateway_tcp_port if is_cluster else settings.gateway.tcp_port)


def choose(port: int | None, config: Path | None) -> tuple[Settings, int]:
    """The settings and the gateway's port: standalone's where it is meant or listens, else the cluster's."""
    standalone, cluster = ROOT / "conf" / "standalone.toml", ROOT / "conf" / "cluster.toml"
    if config is None and "HONGYAN_CONFIG" in os.environ:
        config = Path(os.environ["HONGYAN_CONFIG"])
    if config is not None:
        settings = load(config)
        is_cluster = settings.mode == "cluster"
        return settings, port or (settings.cluster.first_gateway_port if is_cluster else settings.gateway.port)
    alone = load(standalone)
    if port == alone.gateway.port or (port is None and accepts("127.0.0.1", alone.gateway.port)):
        return alone, alone.gateway.port
    settings = load(cluster)
    return settings, port or settings.cluster.first_gateway_port


def make_session(settings: Settings, user: str) -> str:
    """The token of a new session of the user, who is made where there is none. Raises StoreError."""
    database = open_store(settings, connections=1)
    try:
        meta.initialise(database, settings.partitions)
        return seed_users(settings, database, [user], terminal="pc")[user]
    finally:
        database.close()


def typed_lines(lines: asyncio.Queue[str | None]) -> None:
    """Read standard input in a thread of its own, be it a terminal, a pipe or a file; None is its end.

    By os.read: at the interpreter's end a thread must not hold the lock of sys.stdin.
    """
    loop = asyncio.get_running_loop()

    def read() -> None:
        rest = b""
        with contextlib.suppress(RuntimeError):  # the loop is gone: nobody listens any more
            while chunk := os.read(0, CHUNK_BYTES):
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    loop.call_soon_threadsafe(lines.put_nowait, line.decode(errors="replace"))
            if rest:
                loop.call_soon_threadsafe(lines.put_nowait, rest.decode(errors="replace"))
            loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()


async def converse(chat: Chat, device: Device, options: argparse.Namespace) -> None:
    """From the first sync to the end of what is typed."""
    await device.in_step.wait()
    if options.to is not None:
        await chat.handle(f"/to {options.to}")
    elif options.group is not None:
        await chat.handle(f"/group {options.group}")
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    typed_lines(lines)
    while (text := await lines.get()) is not None and text.strip() != "/quit":
        await chat.handle(text)
    await chat.answered()
    await chat.tell_now()


async def run(options: argparse.Namespace, url: str, token: str) -> int:
    screen = Screen(options.user)
    device = Device([url], {"token": token, "terminal": "pc", "device": f"chat-{os.getpid()}"}, screen)
    chat = Chat(device, screen, options.user)
    running = asyncio.create_task(device.run())
    reading = asyncio.create_task(chat.tell_what_was_read())
    conversing = asyncio.create_task(converse(chat, device, options))
    await asyncio.wait({running, conversing}, return_when=asyncio.FIRST_COMPLETED)
    for task in (running, reading, conversing):
        task.cancel()
    ended = await asyncio.gather(running, reading, conversing, return_exceptions=True)
    for failed in ended:
        if isinstance(failed, Exception):
            raise failed
    return FAILED if isinstance(ended[0], Lost) else 0


def main(words: list[str]) -> int:
    options = parse(words)
    configure_logs("chat", logging.WARNING)
    try:
        settings, port = choose_door(options.door, options.port, options.config)
        if not accepts("127.0.0.1", port):
            raise OSError(
                f"nobody listens on port {port}: start scripts/standalone.sh or scripts/cluster.sh up 服务未启动"
            )
        token = make_session(settings, options.user)
        return asyncio.run(run(options, address(options.door, "127.0.0.1", port), token))
    except (BadSettings, StoreError, OSError) as error:
        print(f"scripts/chat.sh: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
