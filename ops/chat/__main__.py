"""`scripts/chat.sh`: a person at a terminal, or a pipe, talks as any client does, by any door.

The user and a session are made straight in the store, so it runs where the system runs. Exit codes: 0 fine, 1 failed
(nobody listens, the store is away, the gateway sent us away, a line was not sent), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from hongyan import DOORS, Device, Lost, address

from conf.mistakes import BadSettings
from conf.settings import Settings
from conf.values import MAX_PORT
from logic.app import open_store
from ops.chat import lines
from ops.chat.commands import Chat
from ops.chat.place import find_place
from ops.chat.screen import Screen
from ops.probes import accepts
from ops.seed import seed_users
from process.logs import configure_logs
from process.private_files import write_for_us_only
from protocol.ids import is_id
from store import meta
from store.errors import StoreError

FAILED = 1
CHUNK_BYTES = 64 * 1024
NO_GATEWAY = "what listens at {url} is no gateway, or has none behind it ({why}): another --port or --door? 不是网关"


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/chat.sh",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Chat as USER; it exists from then on. 以 USER 的身份聊天，不存在则创建。",
        epilog=f"While it runs 运行时:\n{lines.HELP}",
    )
    parser.add_argument("user", metavar="USER", help="who you are 你是谁")
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument("--to", metavar="USER", help="whom to talk to 与谁聊天")
    whom.add_argument("--group", metavar="ID", help="the group to talk to 在哪个群")
    parser.add_argument(
        "--port", type=_port, help="a gateway's or nginx's; by default that of standalone if it runs, else nginx's 端口"
    )
    by = parser.add_mutually_exclusive_group()
    by.add_argument("--door", choices=DOORS, default="ws", help="WebSocket, TCP or long-poll 接入方式")
    for door in DOORS:
        by.add_argument(f"--{door}", dest="door", action="store_const", const=door, help=f"the same as --door {door}")
    parser.add_argument("--config", type=Path, help="by default the file of conf/ that fits the port 配置文件")
    options = parser.parse_args(words)
    for ident in (options.user, options.to, options.group):
        if ident is not None and not is_id(ident):
            parser.error(f"{ident!r} is no id: 1 to 64 of A-Z a-z 0-9 _ . -")
    if options.user.startswith("_"):
        parser.error("ids that begin with _ are the system's")
    return options


def _port(text: str) -> int:
    if text.isdecimal() and 0 < int(text) <= MAX_PORT:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port, 1 to {MAX_PORT}")


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
    """From the first sync to the end of what is typed, and until that is sent."""
    await device.in_step.wait()
    if options.to is not None:
        await chat.handle(f"/to {options.to}")
    elif options.group is not None:
        await chat.handle(f"/group {options.group}")
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    typed_lines(lines)
    while (text := await lines.get()) is not None and text.strip() != "/quit":
        await chat.handle(text)
    await chat.said.leave()
    await chat.tell_now()


async def run(options: argparse.Namespace, url: str, token: str) -> int:
    screen = Screen(options.user)
    login = {"token": token, "terminal": "pc", "device": f"chat-{os.getpid()}"}
    device = Device([url], login, screen, at_once=1)
    chat = Chat(device, screen, options.user)
    running = asyncio.create_task(device.run())
    reading = asyncio.create_task(chat.tell_what_was_read())
    conversing = asyncio.create_task(converse(chat, device, options))
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, conversing.cancel)
    try:
        ends: set[asyncio.Future[Any]] = {running, conversing, screen.nobody}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        is_all_sent = chat.said.report()
    for task in (running, reading, conversing):
        task.cancel()
    ended = await asyncio.gather(running, reading, conversing, return_exceptions=True)
    for failed in ended:
        if isinstance(failed, Exception):
            raise failed
    if screen.nobody.done():
        raise OSError(NO_GATEWAY.format(url=url, why=screen.nobody.result().reason or "no answer"))
    return FAILED if isinstance(ended[0], Lost) or not is_all_sent else 0


def main(words: list[str]) -> int:
    options = parse(words)
    write_for_us_only()
    configure_logs("chat", logging.WARNING)
    try:
        settings, host, port = find_place(options.door, options.port, options.config)
        if not accepts(host, port):
            raise OSError(
                f"nobody listens on port {port}: start scripts/standalone.sh or scripts/cluster.sh up 服务未启动"
            )
        token = make_session(settings, options.user)
        return asyncio.run(run(options, address(options.door, host, port), token))
    except (BadSettings, StoreError, OSError) as error:
        print(f"scripts/chat.sh: {lines.printable(str(error))}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
