"""What docs/protocol.md shows works when it is pasted: its curl lines, its lines of Python, its login frame."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import shutil
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from tests.client import WAIT_S, Socket
from tests.deployments import Deployment, User
from tests.e2e.conftest import NewUser
from tests.private_servers import ROOT

DOCUMENT = (ROOT / "docs" / "protocol.md").read_text()
END = "-- that was all --"
MOST_POLLS = 10
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def shown(section: str, deployment: Deployment) -> list[str]:
    """The indented lines of a section, with the ports of this deployment."""
    text = DOCUMENT.partition(f"### {section}\n")[2].partition("\n### ")[0]
    assert text, section
    lines = [line.removeprefix("    ") for line in text.splitlines() if line.startswith("    ")]
    ports = {":8000": f":{deployment.ports[0]}", " 8001)": f" {deployment.tcp_ports[0]})"}
    for written, port in ports.items():
        lines = [line.replace(written, port) for line in lines]
    return lines


def commands(section: str, deployment: Deployment) -> list[str]:
    """Those that are typed; what is printed then begins with a brace."""
    return [line for line in shown(section, deployment) if not line.startswith("{")]


def the_one(lines: list[str], part: str) -> str:
    (line,) = (line for line in lines if part in line)
    return line


class Terminal:
    """A shell in a directory of its own."""

    def __init__(self, shell: asyncio.subprocess.Process) -> None:
        self._shell = shell

    @classmethod
    async def open(cls, directory: Path) -> Self:
        pipe = asyncio.subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec("bash", cwd=directory, stdin=pipe, stdout=pipe))

    async def paste(self, *lines: str) -> str:
        """What these print."""
        stdin, stdout = self._shell.stdin, self._shell.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write("".join(f"{line}\n" for line in (*lines, f"echo '{END}'")).encode())
        async with asyncio.timeout(3 * WAIT_S):
            return (await stdout.readuntil(f"{END}\n".encode())).decode().removesuffix(f"{END}\n").strip()

    async def close(self) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        async with asyncio.timeout(WAIT_S):
            await self._shell.wait()


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    if shutil.which("curl") is None:
        pytest.fail("There is no curl on this machine: install it, on Debian or Ubuntu by `apt-get install curl`.")
    made = await Terminal.open(tmp_path)
    yield made
    await made.close()


class Polling:
    """Someone at a terminal who pastes the lines about long-poll."""

    def __init__(self, terminal: Terminal, deployment: Deployment) -> None:
        self._terminal = terminal
        self._lines = commands("Long-poll, without a socket", deployment)
        self.seen: list[dict[str, Any]] = []

    async def paste_all(self) -> dict[str, str]:
        """All but the close, in order: what each printed."""
        close = the_one(self._lines, "/poll/close")
        return {line: await self._terminal.paste(line) for line in self._lines if line != close}

    async def say(self, conversation: str, cid: str) -> dict[str, Any]:
        """Its answer."""
        line = the_one(self._lines, "/poll/send")
        answer: dict[str, Any] = json.loads(await self._terminal.paste(f"TO={conversation}", f"CID={cid}", line))
        return answer

    async def has(self, *texts: str) -> None:
        """Poll until these were said."""
        recv, cursor = the_one(self._lines, "/poll/recv"), the_one(self._lines, "poll.json)")
        for _ in range(MOST_POLLS):
            if set(texts) <= set(self.texts):
                return
            self.seen += json.loads(await self._terminal.paste(recv, cursor))["frames"]
        raise AssertionError(f"{texts} are not among {self.seen}")

    @property
    def texts(self) -> list[str]:
        return [frame["data"]["body"].get("text") for frame in self.seen if frame["op"] == "message"]

    async def close(self) -> str:
        return await self._terminal.paste(the_one(self._lines, "/poll/close"))


class TcpLines:
    """The lines of Python about TCP, run."""

    def __init__(self, deployment: Deployment, token: str) -> None:
        self._names: dict[str, Any] = {}
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec("\n".join(commands("TCP", deployment)).replace('"..."', f'"{token}"'), self._names)
        assert "'op': 'reply'" in printed.getvalue()
        patience = struct.pack("ll", int(WAIT_S), 0)
        self._names["s"].setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)

    def send(self, frame: dict[str, Any]) -> None:
        self._names["send"](frame)

    def hear(self, text: str) -> dict[str, Any]:
        """Read until this was said; the message. Raises BlockingIOError where nothing comes."""
        while True:
            frame: dict[str, Any] = self._names["receive"]()
            if frame["op"] == "message" and frame["data"]["body"].get("text") == text:
                return dict(frame["data"])

    def close(self) -> None:
        connection: socket.socket = self._names["s"]
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()


@pytest.fixture
def at_tcp(deployment: Deployment, new_user: NewUser) -> Iterator[tuple[User, TcpLines]]:
    user = new_user("desktop")
    lines = TcpLines(deployment, user.token)
    yield user, lines
    lines.close()


async def at_browser(deployment: Deployment, user: User) -> Socket:
    """As a browser connects to its own site, with the login frame that is shown."""
    headers = {"origin": f"http://127.0.0.1:{deployment.ports[0]}", "user_agent_header": BROWSER}
    browser = await Socket.open(deployment.url("ws"), compression="deflate", **headers)
    login = next(line for line in shown("WebSocket", deployment) if line.startswith('{"op":"login"'))
    await browser.write(login.replace('"..."', f'"{user.token}"'))
    assert (await browser.answer("1"))["data"]["user"]["id"] == user.id
    return browser


async def hears(socket: Socket, text: str) -> None:
    """Until this was said."""
    while (await socket.read())["data"].get("body", {}).get("text") != text:
        pass


def said(conversation: str, text: str) -> dict[str, Any]:
    return {"conversation": conversation, "cid": text.replace(" ", "-"), "type": "text", "body": {"text": text}}


async def test_curl_a_browser_and_tcp_talk_in_one_group(
    deployment: Deployment, new_user: NewUser, terminal: Terminal, at_tcp: tuple[User, TcpLines]
) -> None:
    polling = Polling(terminal, deployment)
    printed = await polling.paste_all()
    sent = json.loads(printed[the_one(list(printed), "/poll/send")])
    assert (sent["frames"][0]["op"], sent["frames"][0]["data"]["seq"]) == ("reply", 1)
    polled = json.loads(printed[the_one(list(printed), "/poll/recv")])
    assert [(f["data"]["seq"], f["data"]["body"]["text"]) for f in polled["frames"]] == [(2, "from afar")]
    desktop, tcp = at_tcp
    async with await at_browser(deployment, new_user("browser")) as browser:
        members = [desktop.id, await terminal.paste("echo $ME")]
        group = (await browser.ask("group.create", {"name": "geese", "members": members}))["data"]["group"]
        conversation = f"g:{group['id']}"
        assert group["members"] == 3
        assert (await polling.say(conversation, "c-3"))["frames"][0]["op"] == "reply"
        await hears(browser, "by curl")
        await asyncio.to_thread(tcp.hear, "by curl")
        assert (await browser.ask("message.send", said(conversation, "by browser")))["op"] == "reply"
        await asyncio.to_thread(tcp.hear, "by browser")
        await asyncio.to_thread(tcp.send, {"op": "message.send", "data": said(conversation, "by tcp")})
        await hears(browser, "by tcp")
    await polling.has("by browser", "by tcp")
    assert polling.texts.index("by browser") < polling.texts.index("by tcp")
    assert await polling.close() == "{}"


async def test_the_other_curl_lines(deployment: Deployment, new_user: NewUser, terminal: Terminal) -> None:
    (register,) = commands("WebSocket", deployment)
    registered = json.loads(await terminal.paste(register))
    assert "token" in registered.get("data", {}) or registered["error"]["code"] == "conflict"
    (get,) = commands("HTTP", deployment)
    answer = await terminal.paste(f"TOKEN={new_user('alice').token}", get)
    assert json.loads(answer) == {"data": {"users": []}}
