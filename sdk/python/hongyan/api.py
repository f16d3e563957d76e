"""Single requests over HTTP: `POST /api/OP` (docs/protocol.md section 3). Accounts and tokens are had here."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any, Self

from hongyan.connection import Refused
from hongyan.http import HttpClient

CONNECT_S = 5.0
OK = 200


class Api:
    """One host. With a token its user calls; without one only `account.register`, `account.login`, `token.refresh`."""

    def __init__(self, host: str, port: int, token: str = "") -> None:
        self._http = HttpClient(host, port, CONNECT_S)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def __repr__(self) -> str:
        return f"Api({self._http}, {'with a token' if self._headers else 'without a token'})"

    async def call(self, op: str, data: dict[str, Any]) -> dict[str, Any]:
        """The reply's data. Raises Refused; OSError: nobody answered, or no gateway."""
        answer = await self._http.request("POST", f"/api/{op}", json.dumps(data).encode(), self._headers)
        try:
            value = json.loads(answer.body)
            if answer.status == OK:
                return dict(value["data"])
            refusal = Refused(value["error"])
        except (ValueError, LookupError, TypeError):
            raise ConnectionError(f"what answered (HTTP {answer.status}) is no gateway") from None
        raise refusal

    async def close(self) -> None:
        """Let go of its connections. May be called again."""
        await self._http.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()
