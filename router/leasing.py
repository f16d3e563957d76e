"""How a gateway comes by the lease of its name, and how it learns that the name is another's. Pure.

Laws:
- A lease is written by its holder, or where none stands: by one atomic claim. So a name has one holder at any time.
- Whoever finds another's lease looks at it again and again. A lease that is renewed, or taken by a third, has a living
  holder, and whoever looks on has lost. One that runs out had a dead holder, and is free. No clock is compared with
  another's, and nobody waits for longer than a lease stands.

Why so: docs/decisions/0015-names.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from router.interface import GatewayLease, NameTaken

LOOKS_A_RENEWAL = 10  # so often in the time between two renewals another's lease is looked at

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Claim:
    """What a gateway's claim of its name found, and did.

    `holder` is the lease of another life, which stays for `left_s`; None: the lease is ours now, and `was_ours` says
    whether it was before.
    """

    holder: GatewayLease | None
    was_ours: bool
    left_s: float


def judge(address: str, former: GatewayLease | None, left_s: float) -> Claim:
    """The claim of the gateway at `address`, which found the lease `former` (None: none)."""
    was_ours = former is not None and former.address == address
    return Claim(None if was_ours else former, was_ours, left_s)


async def take_name(claim: Callable[[], Awaitable[Claim]], pause: Callable[[], Awaitable[None]]) -> bool:
    """Claim until the lease is ours; whether it was already. Raises NameTaken, and whatever `claim` and `pause` raise.

    `pause` lasts for a LOOKS_A_RENEWAL-th of the time between two renewals.
    """
    found = await claim()
    if found.holder is not None:
        _log.warning("router_name_held", by=found.holder.address, for_s=round(found.left_s, 1))
    while (holder := found.holder) is not None:
        await pause()
        before, found = found, await claim()
        if found.holder is not None and (found.holder.address != holder.address or found.left_s >= before.left_s):
            raise NameTaken(found.holder)
    return found.was_ours
