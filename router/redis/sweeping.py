"""Delete what dead gateways left, in the background and piece by piece."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from router.interface import RouterAway
from router.redis.commands import Command, GatewayCommands

NAMES_AT_ONCE = 100

_log = structlog.get_logger()


async def sweep_dead_gateways(write: Callable[[Command], Awaitable[Any]], commands: GatewayCommands) -> None:
    """Sweep every address ever announced that has no lease of that very epoch; what fails is left to the next time."""
    try:
        for address in await write(commands.announced()):
            if address != commands.address:
                await _sweep(write, commands, address)
    except RouterAway:
        return


async def _sweep(write: Callable[[Command], Awaitable[Any]], commands: GatewayCommands, address: str) -> None:
    left = await write(commands.sweep(address, NAMES_AT_ONCE))
    if left < 0:
        return
    while left > 0:
        left = await write(commands.sweep(address, NAMES_AT_ONCE))
    _log.info("router_swept", dead=address)
