"""Someone at scripts/chat.sh, with a pipe for keyboard and screen."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Self

from tests.private_servers import ROOT

WAIT_S = 40.0
SCRIPT = str(ROOT / "scripts" / "chat.sh")


class Person:
    """Someone at chat.sh. `screen` is what was shown so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.screen = ""

    @classmethod
    async def sit(cls, user: str, *options: str, config: Path, **environment: str) -> Self:
        """`config` is the configuration of the system to which the options lead."""
        process = await asyncio.create_subprocess_exec(
            SCRIPT,
            user,
            *options,
            env={**os.environ, "HONGYAN_CONFIG": str(config), **environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        return cls(process)

    async def type(self, *lines: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        await self.process.stdin.drain()

    async def sees(self, text: str) -> None:
        """Until the text is on the screen."""
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(WAIT_S):
                while text not in self.screen:
                    line = await self.process.stdout.readline()
                    assert line, f"{text!r} is not on the screen:\n{self.screen}"
                    self.screen += line.decode()
        except TimeoutError:
            raise AssertionError(f"{text!r} is not on the screen:\n{self.screen}") from None

    async def leaves(self) -> int:
        """Ends the input; the exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return await self.ended()

    async def interrupts(self) -> int:
        """Presses Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return await self.ended()

    async def ended(self) -> int:
        """Until it has ended by itself; the exit code."""
        assert self.process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            self.screen += (await self.process.stdout.read()).decode()
            return await self.process.wait()

    async def gone(self) -> None:
        """End it by force, if it is there."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
