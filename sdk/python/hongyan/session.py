"""The tokens of one login, kept good by `token.refresh` (docs/protocol.md section 5, "Tokens").

Laws: one refresh at a time, whoever asks. An answer that was lost is asked for again with the same refresh token, which
gives the same successor. A pair of tokens is handed to the program before it is used, so that the next start finds it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from hongyan.api import Api
from hongyan.channel import NO_CODE
from hongyan.connection import Lost, Refused
from hongyan.wire import BUSY, LOGIN_REFUSED

TOKENS = ("token", "refresh", "expires")
EARLY_S = 60.0  # before its end a token is replaced
PAUSE_S = 5.0

Tokens = dict[str, Any]


class Session:
    """`tokens` is what `account.login`, `account.register` or `token.refresh` replied: `token`, `refresh`, `expires`.
    `changed` is called with each new pair, to be kept; it must not raise. `api` needs no token."""

    def __init__(self, api: Api, tokens: Tokens, changed: Callable[[Tokens], None] = lambda tokens: None) -> None:
        self._api = api
        self._tokens = {name: tokens[name] for name in TOKENS}
        self._changed = changed
        self._one_at_a_time = asyncio.Lock()

    def __repr__(self) -> str:
        return f"Session({self._api}, its token is good for {self._left_s():.0f} s)"

    async def token(self) -> str:
        """An access token that is good for a minute; for a shorter time where no new one can be had now. Raises Lost:
        nobody answers; final where the session has ended, so that its user must log in anew."""
        async with self._one_at_a_time:
            if self._left_s() < EARLY_S:
                await self._refresh()
            return str(self._tokens["token"])

    async def keep(self) -> None:
        """Refresh whenever the token runs out, so that the session does not, until it has ended. Cancel it to leave."""
        while True:
            await asyncio.sleep(max(PAUSE_S, self._left_s() - EARLY_S))
            try:
                await self.token()
            except Lost as lost:
                if lost.is_final:
                    return

    def expire(self) -> None:
        """The server has refused the present token, whatever the clock of this machine says: replace it."""
        self._tokens["expires"] = 0

    def _left_s(self) -> float:
        return float(self._tokens["expires"]) / 1000 - time.time()

    async def _refresh(self) -> None:
        try:
            reply = await self._api.call("token.refresh", {"refresh": self._tokens["refresh"]})
        except Refused as refusal:
            if not refusal.retry:
                raise Lost(LOGIN_REFUSED, str(refusal)) from None
            self._go_on_with_what_is_left(Lost(BUSY, str(refusal)))
        except OSError as error:
            self._go_on_with_what_is_left(Lost(NO_CODE, str(error)))
        else:
            self._tokens = {name: reply[name] for name in TOKENS}
            self._changed(dict(self._tokens))

    def _go_on_with_what_is_left(self, lost: Lost) -> None:
        if self._left_s() <= 0:
            raise lost
