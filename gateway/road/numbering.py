"""From a client's op and data to a command of the road, and the queue that it goes to."""

from __future__ import annotations

from msgspec import Raw

from bus import queues
from protocol import codec
from protocol.addresses import gateway_address
from protocol.args import Args, WriteArgs
from protocol.errors import bad_field
from protocol.models import ReceiveInfo, UserInfo
from protocol.ops import Op


class CommandMaker:
    """Numbers the commands of one gateway's life and gives each write its cid where it has none. `address` is that
    gateway's, where the answers go.
    """

    def __init__(self, gateway: str, epoch: str, partitions: int) -> None:
        self.gateway = gateway
        self.epoch = epoch
        self.address = gateway_address(gateway, epoch)
        self._partitions = partitions
        self._number = 0

    def __repr__(self) -> str:
        return f"CommandMaker({self.address}, {self._number} commands)"

    def make(
        self,
        op: Op,
        args: Args,
        sender: UserInfo,
        session: str = "",
        connection: int = 0,
        trace: str = "",
        address: str = "",
    ) -> tuple[str, ReceiveInfo]:
        """(queue, command); `trace` is the id of the HTTP request that it came by, `address` the client's. Raises
        ImError bad_field: a cid of ours, a number that no JSON holds."""
        self._number += 1
        if isinstance(args, WriteArgs):
            if not args.cid:
                args.cid = f"~{self.epoch}.{self._number}"
            elif args.cid[0] == "~":
                raise bad_field("cid", "one that begins with ~ is the gateways' own")
        command = ReceiveInfo(
            op.name,
            self._number,
            self.gateway,
            self.epoch,
            _encoded(args),
            sender,
            session,
            connection,
            trace,
            "",
            address if op.needs_address else "",
        )
        key = "" if op.key is None else op.key(sender, args)
        return queues.of_command(op, key, self._partitions), command


def _encoded(args: Args) -> Raw:
    try:
        return Raw(codec.write_struct(args))
    except (OverflowError, ValueError):
        raise bad_field("data", "a number is out of range") from None
