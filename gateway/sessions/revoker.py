"""What the end of a session means here: its connections are told and closed, and no call of `/api` counts on it."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.clients.closing import kick
from gateway.clients.hub import Hub
from gateway.sessions.api_sessions import ApiSessions
from protocol.models import Revocation


class Revoker:
    """Ends sessions at one gateway."""

    def __init__(self, hub: Hub, api_sessions: ApiSessions) -> None:
        self._hub = hub
        self._api_sessions = api_sessions

    def revoked(self, revocation: Revocation) -> None:
        """A worker says that sessions ended."""
        self.end(revocation.sessions, revocation.reason)

    def end(self, sessions: Iterable[str], reason: str) -> None:
        """These have ended, wherever we learned it."""
        ended = set(sessions)
        if ended:
            self._api_sessions.revoke(ended)
            for connection in self._hub.of_sessions(ended):
                kick(connection, reason)

    def may_have_missed(self) -> None:
        """A revocation may not have come: until a session is asked for again, nothing is known of it."""
        self._api_sessions.clear()
