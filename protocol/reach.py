"""Whom something that a worker sends concerns, as the thing itself says: all that the fan-out knows of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Reach(msgspec.Struct, frozen=True, gc=False):
    """The gateways that hold one of `users`, or a member of `group`; the gateway whose client asked; every gateway."""

    users: Sequence[str] = ()
    group: str = ""
    is_origin: bool = False
    is_everywhere: bool = False


ORIGIN = Reach(is_origin=True)
EVERYWHERE = Reach(is_everywhere=True)
