"""The limits of one gateway, in one value that its parts are given."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Self

SILENT_HEARTBEATS = 2.5
PINGED_AFTER_HEARTBEATS = 1.5


@dataclass(frozen=True, slots=True)
class Limits:
    """The names are those of `[gateway]` in the configuration, which says what each means; units are in the names."""

    login_timeout_s: float
    heartbeat_s: int
    request_timeout_s: float
    max_pending: int
    max_pending_per_connection: int
    max_queued_bytes: int
    slow_s: float
    max_connections: int
    max_logins: int
    max_connections_per_user: int
    max_connections_per_address: int
    connections_per: str
    trusted_proxies: tuple[str, ...]
    messages_per_s: int
    message_burst: int
    max_messages_over_rate: int
    message_timeout_s: float
    early_message_timeout_s: float
    send_buffer_bytes: int
    resync_per_s: int
    poll_wait_s: float
    poll_idle_s: float
    drain_s: float

    @classmethod
    def of(cls, settings: object) -> Self:
        """The attributes of `settings` that are called like the fields. Raises AttributeError where one is missing."""
        return cls(**{field.name: getattr(settings, field.name) for field in dataclasses.fields(cls)})

    @property
    def silence_s(self) -> float:
        """How long a connection may show no sign of life."""
        return SILENT_HEARTBEATS * self.heartbeat_s

    @property
    def ping_after_s(self) -> float:
        """After how long without one it is asked for a sign of life. The timers of a page that nobody looks at run once
        a minute, and its browser answers a ping at once."""
        return PINGED_AFTER_HEARTBEATS * self.heartbeat_s
