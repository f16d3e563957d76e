"""Calls of the HTTP door, as bytes: what a test compares is what a client would see."""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any

TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Answer:
    """`headers` with lower-case names."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        assert self.status == 200, self.body
        return self.json["data"]

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


def request(
    port: int,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    if tls is not None:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_S, context=tls)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.read(), {k.lower(): v for k, v in response.getheaders()})
    finally:
        connection.close()


async def get(port: int, path: str) -> Answer:
    return await asyncio.to_thread(request, port, "GET", path)


async def api(port: int, op: str, data: Any = None, token: str = "") -> Answer:
    """POST /api/<op>; bytes are sent as they are."""
    body = data if isinstance(data, bytes) else json.dumps({} if data is None else data).encode()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return await asyncio.to_thread(request, port, "POST", f"/api/{op}", body, headers)
