"""A client of Hongyan: connections by any door, an outbox that loses nothing, the order of messages.

`Device` is all of it: it stays connected, stays in step and gets each message through. Below it are `Connection` (one
login, requests and pushes), `Channel` (frames by a door), `Outbox` and `Conversations` (the rules of docs/protocol.md
section 5). `Api` makes single requests over HTTP, `Session` keeps the tokens of a login good.
"""

from hongyan.api import Api
from hongyan.channel import Channel, ChannelClosed, TurnedAway
from hongyan.connection import Connection, Frame, Lost, Refused
from hongyan.device import Device, Observer, Reason
from hongyan.doors import DOORS, address, open_channel
from hongyan.outbox import Outbox, SendObserver
from hongyan.session import Session
from hongyan.state import Apply, Conversations, Gap, Message, Restored, Started
from hongyan.wire import group_conversation, private_conversation

__all__ = [
    "DOORS",
    "Api",
    "Apply",
    "Channel",
    "ChannelClosed",
    "Connection",
    "Conversations",
    "Device",
    "Frame",
    "Gap",
    "Lost",
    "Message",
    "Observer",
    "Outbox",
    "Reason",
    "Refused",
    "Restored",
    "SendObserver",
    "Session",
    "Started",
    "TurnedAway",
    "address",
    "group_conversation",
    "open_channel",
    "private_conversation",
]
