"""A text frame of the server as bytes (RFC 6455 section 5.2): final, unmasked, built once for all who get it. Pure."""

from __future__ import annotations

import struct

FINAL_TEXT = 0x81


def text_frame(payload: bytes) -> bytes:
    """The header and the payload, which is UTF-8."""
    size = len(payload)
    if size < 126:
        return bytes((FINAL_TEXT, size)) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", FINAL_TEXT, 126, size) + payload
    return struct.pack("!BBQ", FINAL_TEXT, 127, size) + payload
