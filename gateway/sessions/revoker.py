"""Ends sessions at this gateway: their connections are told and closed, and `/api` does not count on them any more."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.clients.closing import kick
from gateway.clients.hub import Hub
from gateway.sessions.api_sessions import ApiSessions
from protocol.models import Revocation


class Revoker:
    """Ended sessions, however this gateway learns of them."""

    def __init__(self, hub: Hub, api_sessions: ApiSessions) -> None:
        self._hub = hub
        self._api_sessions = api_sessions

    def revoked(self, revocation: Revocation) -> None:
        """A worker says that sessions ended."""
        self.end(revocation.sessions, revocation.reason)

    def end(self, sessions: Iterable[str], reason: str) -> None:
        """Close the connections of these sessions with 4006 and `reason`."""
        ended = set(sessions)
        if ended:
            self._api_sessions.revoke(ended)
            for connection in self._hub.of_sessions(ended):
                kick(connection, reason)

    def may_have_missed(self) -> None:
        """A revocation may not have come: every call of `/api` asks for its session again."""
        self._api_sessions.clear()
