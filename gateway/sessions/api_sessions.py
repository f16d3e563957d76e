"""The sessions that `/api` found standing a moment ago, so that not every call asks the store; and how fast each calls.

Law: a revocation or a hole empties it at once; an answer that was on its way meanwhile is used but not remembered.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from cachetools import LRUCache

from gateway.clients.rate import Meter, Rate, Verdict
from gateway.sessions.login import LoginFlow
from protocol.errors import rate_limited
from protocol.models import SessionInfo

RENEW_S = 60.0
SESSIONS = 50_000


class ApiSessions:
    """Sessions by id, each good for 60 s, or until it ends."""

    def __init__(self, login_flow: LoginFlow, rate: Rate) -> None:
        self._login_flow = login_flow
        self._rate = rate
        self._meters: LRUCache[str, Meter] = LRUCache(SESSIONS)
        self._good_until: LRUCache[str, float] = LRUCache(SESSIONS)
        self._revocations = 0

    def __repr__(self) -> str:
        return f"ApiSessions({len(self._good_until)} remembered)"

    async def check(self, token: str, cost: int) -> SessionInfo:
        """The session that a call's token belongs to; the call counts as `cost` commands of it. Raises ImError
        unauthenticated, rate_limited, busy; Refused."""
        who = self._login_flow.verify(token)
        now = time.monotonic()
        self._count(who.session, cost, now)
        if self._good_until.get(who.session, 0.0) > now:
            return who
        revocations = self._revocations
        opened = await self._login_flow.ask(who)
        if revocations == self._revocations:
            lasts_s = RENEW_S if opened.lasts_ms is None else min(RENEW_S, opened.lasts_ms / 1000)
            self._good_until[who.session] = time.monotonic() + lasts_s
        return who

    def _count(self, session: str, cost: int, now: float) -> None:
        # All of it at once: of many calls at the same moment only so many may begin.
        meter = self._meters.get(session)
        if meter is None:
            meter = self._meters[session] = Meter()
        if self._rate.take(meter, now) is not Verdict.ADMIT:
            raise rate_limited(self._rate.retry_after_s(meter, now))
        if cost > 1:
            self._rate.charge(meter, cost - 1, now)

    def revoke(self, sessions: Iterable[str]) -> None:
        """These have ended."""
        self._revocations += 1
        for session in sessions:
            self._good_until.pop(session, None)

    def clear(self) -> None:
        """A revocation may have been missed."""
        self._revocations += 1
        self._good_until.clear()
