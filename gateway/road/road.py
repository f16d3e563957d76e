"""The way up for everything that a gateway sends to the workers: numbered first, then put into a batch."""

from __future__ import annotations

from gateway.clients.connection import Connection
from gateway.road.numbering import CommandMaker
from gateway.road.reply_to import PendingReply, ReplyTo
from gateway.road.uplink import Uplink
from protocol.args import Args
from protocol.client_command import ClientCommand
from protocol.models import UserInfo
from protocol.ops import Op


class Road:
    """Every command of a gateway takes it, and is answered once."""

    def __init__(self, commands: CommandMaker, uplink: Uplink) -> None:
        self._commands = commands
        self._uplink = uplink

    def __repr__(self) -> str:
        return f"Road({self._commands}, {self._uplink})"

    def forward(self, command: ClientCommand, connection: Connection, reply_to: ReplyTo) -> None:
        """Send a client's command. Raises ImError busy, bad_field."""
        queue, made = self._commands.make(
            command.op,
            command.args,
            connection.sender,
            connection.session_id,
            connection.number,
            "",
            connection.address,
        )
        self._uplink.submit(queue, made, reply_to, command.id)

    async def ask(
        self, op: Op, args: Args, sender: UserInfo, session: str = "", address: str = "", trace: str = ""
    ) -> bytes:
        """The data of the reply to a command that no connection sent, but perhaps a client at `address`. Raises ImError
        busy, bad_field; Refused."""
        queue, command = self._commands.make(op, args, sender, session, trace=trace, address=address)
        pending_reply = PendingReply()
        self._uplink.submit(queue, command, pending_reply)
        return await pending_reply.answer
