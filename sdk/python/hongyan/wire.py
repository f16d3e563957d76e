"""What a client must know of the wire: sizes and close codes (docs/protocol.md, frames and closes)."""

from __future__ import annotations

MAX_SERVER_FRAME_BYTES = 128 * 1024
BUSY = 1013
LOGIN_REFUSED = 4004
STOP = frozenset({1003, 1007, 1008, 1009, 4001, 4002, 4003, LOGIN_REFUSED, 4006, 4008, 4011})
"""After one of these a client does not come again by itself; after any other end it does."""
