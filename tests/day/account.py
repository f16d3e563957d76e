"""The account of a resident who logs in by name and password, over HTTP."""

from __future__ import annotations

import asyncio
import http.client
from typing import Any

from tests.http_calls import api

PASSWORD = "correct horse battery staple"
PAUSE_S = 1.0
TRY_LATER = frozenset({429, 502, 503, 504})


class Account:
    """`port` is the door's. Registered by the first call of `token`."""

    def __init__(self, port: int, name: str) -> None:
        self._port = port
        self._name = name
        self._refresh = ""
        self.user = ""

    def __repr__(self) -> str:
        return f"Account({self._name}, {self.user or 'not registered'})"

    async def register(self) -> str:
        """Registers it; its first token."""
        data = {"username": self._name, "password": PASSWORD, "name": self._name, "cid": f"register-{self._name}"}
        reply = await self._insist("account.register", data)
        self.user = reply["user"]["id"]
        return self._taken(reply)

    async def token(self) -> str:
        """A new token: by the refresh token, where there is one, else by the password."""
        if self._refresh:
            refresh, self._refresh = self._refresh, ""
            return self._taken(await self._insist("token.refresh", {"refresh": refresh}), keep=False)
        return self._taken(await self._insist("account.login", {"username": self._name, "password": PASSWORD}))

    def _taken(self, reply: dict[str, Any], *, keep: bool = True) -> str:
        self._refresh = reply["refresh"] if keep else ""
        return str(reply["token"])

    async def _insist(self, op: str, data: dict[str, Any]) -> dict[str, Any]:
        """Again until it is carried out. Raises AssertionError for a refusal that no repetition changes."""
        while True:
            pause = PAUSE_S
            try:
                answer = await api(self._port, op, data)
            except (OSError, http.client.HTTPException):
                pass  # the door is away
            else:
                if answer.status == 200:
                    return dict(answer.data)
                assert answer.status in TRY_LATER, f"{op} of {self._name}: {answer.status} {answer.body!r}"
                pause = max(pause, float(answer.headers.get("retry-after", 0)))
            await asyncio.sleep(pause)
