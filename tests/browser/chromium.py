"""A Chromium without a window, driven by its DevTools protocol: https://chromedevtools.github.io/devtools-protocol/."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import websockets
from websockets.asyncio.client import ClientConnection

from ops.programs import MissingServer, find_program, plain_environment

PROGRAMS = (
    *("chromium", "chromium-browser", "google-chrome-stable", "google-chrome"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *(
        "--no-proxy-server",
        "--disable-background-networking",
        "--disable-component-update",
        "--remote-debugging-port=0",
    ),
)
READY_S = 60.0
ANSWER_S = 60.0


def find_chromium() -> str:
    """The browser's program, "" where there is none."""
    try:
        return find_program(*PROGRAMS)
    except MissingServer:
        return ""


class PageRaised(Exception):
    """A script of the page raised, or its promise was rejected."""


class Chromium:
    """`async with Chromium(directory) as browser`; `directory` is empty, and all that it writes is there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Self:
        words = [find_chromium(), *FLAGS, f"--user-data-dir={self._directory}", "about:blank"]
        with (self._directory / "log").open("wb") as log:
            environment = plain_environment(HOME=str(self._directory))
            self._process = subprocess.Popen(words, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            self._socket = await self._connect()
        except BaseException:
            self._kill()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(Exception):
            await self._ask("Browser.close")
            await asyncio.to_thread(self._process.wait, READY_S)
        self._kill()

    async def open(self, url: str) -> str:
        """A page in a tab of its own, loaded; its name for `run`."""
        target = (await self._ask("Target.createTarget", url="about:blank"))["targetId"]
        session: str = (await self._ask("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        await self._ask("Page.navigate", session, url=url)
        await self.run(session, "new Promise(done => document.readyState === 'complete' ? done() : onload = done)")
        return session

    async def run(self, page: str, script: str) -> Any:
        """The value of an expression, or of its promise. Raises PageRaised."""
        answer = await self._ask("Runtime.evaluate", page, expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise PageRaised(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    async def _connect(self) -> ClientConnection:
        port_file = self._directory / "DevToolsActivePort"
        async with asyncio.timeout(READY_S):
            while not (port_file.exists() and len(port_file.read_text().split()) == 2):
                assert self._process.poll() is None, (self._directory / "log").read_text()
                await asyncio.sleep(0.05)
        port, path = port_file.read_text().split()
        return await websockets.connect(f"ws://127.0.0.1:{port}{path}", max_size=None, proxy=None)

    async def _ask(self, method: str, page: str = "", **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        question = {"id": number, "method": method, "params": parameters, **({"sessionId": page} if page else {})}
        await self._socket.send(json.dumps(question))
        async with asyncio.timeout(ANSWER_S):
            while (answer := json.loads(await self._socket.recv())).get("id") != number:
                continue  # an event, which nobody asked for
        if "error" in answer:
            raise PageRaised(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _kill(self) -> None:
        """It and its children, which have a session of their own."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
