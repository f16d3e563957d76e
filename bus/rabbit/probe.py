"""Whether RabbitMQ serves, found out by a whole connection that is closed in order: the broker logs no complaint."""

from __future__ import annotations

from pika import BlockingConnection
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError

from bus.rabbit.topology import RabbitAddress, parameters

CONNECT_S = 1.0
WHOLE_S = 3.0
# How the broker's own close begins (AMQP 0-9-1, reply codes). pika's exceptions cannot tell it from a broker that just
# hangs up at the same step of the login, as one does that starts or stops.
WRONG_USER, WRONG_HOST = "(403) 'ACCESS_REFUSED", "(530) 'NOT_ALLOWED"


class AccessRefused(Exception):
    """The broker is there, and refuses the user or the virtual host that the message names: waiting cannot help."""


def serves(address: RabbitAddress) -> bool:
    """Whether a connection can be made there within 3 s; blocks until then. Raises AccessRefused."""
    wanted = parameters(address, "probe", WHOLE_S)
    wanted.socket_timeout, wanted.stack_timeout = CONNECT_S, WHOLE_S
    try:
        BlockingConnection(wanted).close()
    except (AMQPError, AMQPConnectorException, OSError) as error:
        if WRONG_USER in str(error):
            raise AccessRefused(f"the user {address.user!r}") from None
        if WRONG_HOST in str(error):
            raise AccessRefused(f"the virtual host {address.virtual_host!r}") from None
        return False
    return True
