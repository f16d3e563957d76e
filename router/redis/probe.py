"""Whether Redis serves: one connection, a login and a PING."""

from __future__ import annotations

from typing import Any

import redis
from redis.exceptions import AuthenticationError

from router.redis.address import RedisAddress

TIMEOUT_S = 1.0

_Connection: Any = redis.Connection  # its stub has no types


class AccessRefused(Exception):
    """Redis is there and refuses the password: waiting cannot help."""


def serves(address: RedisAddress) -> bool:
    """Whether a PING is answered there within `TIMEOUT_S`. Raises AccessRefused."""
    connection = _Connection(
        host=address.host,
        port=address.port,
        password=address.password or None,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        protocol=2,
        driver_info=None,
    )
    try:
        connection.connect()
        connection.send_command("PING")
        return bool(connection.read_response() == b"PONG")
    except AuthenticationError as error:
        raise AccessRefused(str(error)) from None
    except (redis.RedisError, OSError):
        return False
    finally:
        connection.disconnect()
