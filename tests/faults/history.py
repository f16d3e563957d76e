"""What clients record while faults happen, and what the store holds afterwards: the input of the oracle. Pure.

Laws of recording: the events of one sender, and those of one device, stand in the order in which they happened;
between different ones no order is assumed. A device records what it sent itself as applied too, at the place in its
timeline where it has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Reason = Literal["gap", "resync", "reconnect", "login"]


@dataclass(frozen=True, slots=True)
class Sent:
    """A client wrote this to its connection; a retry is another Sent with the same cid.

    `device` is who sent it, where its own timeline matters; `connection` is new after each reconnect.
    """

    sender: str
    cid: str
    conversation: str
    body_hash: str
    device: str = ""
    connection: str = ""


@dataclass(frozen=True, slots=True)
class Acked:
    """The reply to a send; `time` in ms as the server said it."""

    sender: str
    cid: str
    conversation: str
    seq: int
    time: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """An error answered a send; a client that got no answer in time records the code `timeout`."""

    sender: str
    cid: str
    code: str


@dataclass(frozen=True, slots=True)
class Began:
    """A new device starts a conversation after `seq`, its user's read_seq; without this it starts at the first."""

    device: str
    conversation: str
    seq: int


@dataclass(frozen=True, slots=True)
class Received:
    """This message was pushed to a device, which may drop it or keep it for later."""

    device: str
    conversation: str
    seq: int


@dataclass(frozen=True, slots=True)
class Applied:
    """A device put this message into its timeline."""

    device: str
    conversation: str
    seq: int
    cid: str
    body_hash: str


@dataclass(frozen=True, slots=True)
class Disturbed:
    """Something happened to a device that is a reason for one sync."""

    device: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Synced:
    """A device ran one sync (all its pages) for this reason."""

    device: str
    reason: Reason


Event = Sent | Acked | Refused | Began | Received | Applied | Disturbed | Synced


@dataclass(frozen=True, slots=True)
class Row:
    """One message as the store holds it; `is_event` where an op other than a send wrote it, such as a join."""

    conversation: str
    seq: int
    sender: str
    cid: str
    body_hash: str
    is_event: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """`user` may read `conversation` from `from_seq` to `to_seq`, both included; None is without end."""

    user: str
    conversation: str
    from_seq: int = 1
    to_seq: int | None = None


@dataclass(frozen=True, slots=True)
class History:
    """Everything the oracle judges. `devices` {device: user}; `unfinished` devices were away at the end, so they may
    lack the newest messages but nothing else."""

    events: list[Event]
    rows: list[Row]
    members: list[Member]
    devices: Mapping[str, str]
    unfinished: frozenset[str] = field(default_factory=frozenset)
