"""To which gateways something goes that a worker sends: the only thing that the fan-out knows of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Reach(msgspec.Struct, frozen=True, gc=False):
    """One of four: the gateways that hold one of `users`, the gateways that hold a member of `group`, the gateway whose
    client asked (`is_origin`), or every gateway (`is_everywhere`)."""

    users: Sequence[str] = ()
    group: str = ""
    is_origin: bool = False
    is_everywhere: bool = False


ORIGIN = Reach(is_origin=True)
EVERYWHERE = Reach(is_everywhere=True)
