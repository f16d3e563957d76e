"""One connection to Redis that carries pipelines in order: the only place of router/ that knows redis.asyncio.

Laws: a pipeline is answered within 1 s as a whole or the connection is closed and RouterAway is raised, no matter
what redis-py raised; nothing is ever sent twice; after `open`, no command of an earlier connection runs any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hiredis import pack_command
from redis.asyncio import Connection
from redis.exceptions import RedisError

from router.interface import RouterAway
from router.redis.address import RedisAddress
from router.redis.commands import ALL, Command
from router.redis.loop_timeout import loop_timeout

TIMEOUT_S = 1.0

# Its stub asks for a tuple of exactly one word; it takes any number.
_pack: Any = pack_command


class OrderedConnection:
    """A connection that is opened again after each loss, by its owner."""

    def __init__(self, address: RedisAddress) -> None:
        self._address = address
        self._connection: Any = None
        self._run_id = ""
        self._client_id = 0

    def __repr__(self) -> str:
        state = "open" if self._connection is not None else "closed"
        return f"OrderedConnection({self._address.host}:{self._address.port} {state})"

    async def open(self) -> None:
        """Connect, authenticate and load the scripts. Raises RouterAway."""
        await self.close()
        # A connection and a pipeline have one timeout of ours each; one for each reply would cost more than the reply.
        connection: Any = Connection(
            host=self._address.host,
            port=self._address.port,
            password=self._address.password or None,
            socket_timeout=None,
            socket_connect_timeout=None,
            decode_responses=True,
            protocol=2,
            driver_info=None,
        )
        try:
            async with loop_timeout(TIMEOUT_S):
                await connection.connect()
        except (RedisError, OSError, TimeoutError) as error:
            await connection.disconnect(nowait=True)
            raise RouterAway(f"cannot connect: {_describe(error)}") from None
        self._connection = connection
        await self._fence()
        await self.run([("SCRIPT", "LOAD", script) for script in ALL])

    async def _fence(self) -> None:
        """A Redis that was only stopped may still hold commands that we sent to it and gave up: kill them."""
        info, client_id = await self.run([("INFO", "server"), ("CLIENT", "ID")])
        run_id = next((line[7:] for line in str(info).splitlines() if line.startswith("run_id:")), "")
        if self._client_id and run_id == self._run_id:
            await self.run([("CLIENT", "KILL", "ID", self._client_id)])
        self._run_id, self._client_id = run_id, int(client_id)

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """Send all at once, and return their answers in order. Raises RouterAway; the connection is then closed."""
        connection = self._connection
        if connection is None:
            raise RouterAway("not connected")
        try:
            async with loop_timeout(TIMEOUT_S):
                # hiredis packs a registration in 4 us; redis-py's own packer for asyncio takes 25 (measured).
                packed = b"".join([_pack(command) for command in commands])
                await connection.send_packed_command(packed, check_health=False)
                return [await connection.read_response() for _ in commands]
        except (RedisError, OSError, TimeoutError) as error:
            await self.close()
            raise RouterAway(_describe(error)) from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close at once, in the middle of whatever; answers that were awaited never come."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
