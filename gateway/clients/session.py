"""One connection's conversation with us, without I/O: frames in, effects out. Knows neither sockets nor queues.

Laws: the first frame is a login; what comes before it ends the connection, what comes right behind it waits for its
answer. A bad frame is answered and kept, three in ten seconds end it; an op that nobody knows is no offence. After
CLOSED nothing has an effect.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from math import ceil
from typing import NamedTuple

from protocol import codec
from protocol.client_command import ClientCommand, read_command
from protocol.clock import now_ms
from protocol.errors import CLOSE_REASON, Close, ImError, bad_field, rate_limited, unauthenticated
from protocol.fields import read_fields
from protocol.frames import BadFrameField, Frame, read_frame, write_error, write_frame
from protocol.models import Heartbeat, LoginInfo
from protocol.ops import CLIENTS, find_op, read_args

OFFENCES_WINDOW_S = 10.0
MAX_BAD_FRAMES = 3


class State(Enum):
    """Where a connection stands."""

    CONNECTED = "connected"  # waits for the login frame
    OPENING = "opening"  # the login is being checked
    OPEN = "open"
    CLOSED = "closed"


# Looked up by every frame: a global costs a fifth of what an attribute of an Enum does.
CONNECTED, OPENING, OPEN, CLOSED = State

TRANSITIONS: dict[State, frozenset[State]] = {
    CONNECTED: frozenset({OPENING, CLOSED}),
    OPENING: frozenset({OPEN, CLOSED}),
    OPEN: frozenset({CLOSED}),
    CLOSED: frozenset({CLOSED}),
}


class IllegalTransition(Exception):
    """A session was asked for a step that its state does not allow: a fault of ours."""


class Login(NamedTuple):
    """Check this login and answer under `id`."""

    info: LoginInfo
    id: str | None


class Early(NamedTuple):
    """Keep this frame until the login is answered, then give its text to `receive`. Where there is no room for it,
    refuse it under `id`."""

    text: str  # read, a frame may take 25 times as much memory
    id: str | None


class Reply(NamedTuple):
    """Send this frame."""

    frame: bytes


class End(NamedTuple):
    """Close the connection, once everything before it is sent."""

    code: Close
    reason: str


Effect = ClientCommand | Login | Early | Reply | End
"""A ClientCommand is to go up the road and to be answered under its id."""


def end(code: Close) -> End:
    """Close with the code's own reason."""
    return End(code, CLOSE_REASON[code])


class Session:
    """The state of one connection. `receive` takes a frame's text and the clock (s, monotonic)."""

    __slots__ = ("_bad_frames", "_may_again_at", "state")

    def __init__(self) -> None:
        self.state = CONNECTED
        # Most connections never need these.
        self._bad_frames: deque[float] | None = None
        self._may_again_at: dict[str, float] | None = None

    def __repr__(self) -> str:
        return f"Session({self.state.value})"

    def move(self, to: State) -> None:
        """Take a step. Raises IllegalTransition, which names both states."""
        if to not in TRANSITIONS[self.state]:
            raise IllegalTransition(f"from {self.state.value} to {to.value}")
        self.state = to

    def receive(self, text: str, now: float) -> list[Effect]:
        """What a frame makes us do."""
        if self.state is CLOSED:
            return []
        if self.state is OPEN and (command := read_command(text)) is not None:
            return self._spaced(command, now) if command.op.every_s else [command]
        try:
            frame = read_frame(text)
        except ImError as refusal:
            return self._unreadable(refusal, now)
        steps = STEPS[self.state]
        step = steps.get(frame.op) or steps.get(OTHERS)
        return [Early(text, frame.id)] if step is None else step(self, frame, now)

    def over_rate(self, text: str, now: float, retry_after_s: int) -> list[Effect]:
        """What a frame makes us do that came too soon after others."""
        if self.state is CLOSED:
            return []
        try:
            frame = read_frame(text)
        except ImError as refusal:
            return self._unreadable(refusal, now)
        return _refused_alone(rate_limited(retry_after_s), frame.id)

    def _log_in(self, frame: Frame, now: float) -> list[Effect]:
        try:
            info = read_fields(frame.data, LoginInfo)
        except ImError as refusal:
            # The connection stays: its ten seconds for a right login are still running.
            return [Reply(write_error(refusal, frame.id))]
        self.move(OPENING)
        return [Login(info, frame.id)]

    def _refuse_login(self, frame: Frame, now: float) -> list[Effect]:
        return [Reply(write_error(bad_field("op", "this connection is logged in or logging in"), frame.id))]

    def _end_unknown(self, frame: Frame, now: float) -> list[Effect]:
        self.move(CLOSED)
        return [Reply(write_error(unauthenticated(), frame.id)), end(Close.NOT_LOGGED_IN)]

    def _beat(self, frame: Frame, now: float) -> list[Effect]:
        return [Reply(heartbeat_frame(frame.id))]

    def _command(self, frame: Frame, now: float) -> list[Effect]:
        """The careful way of `read_command`."""
        try:
            op = find_op(frame.op, *CLIENTS)
        except ImError as refusal:
            return self._refused(refusal, frame.id, now)
        try:
            return self._spaced(ClientCommand(op, read_args(op, frame.data), frame.id), now)
        except ImError as refusal:
            return _refused_alone(refusal, frame.id)

    def _spaced(self, command: ClientCommand, now: float) -> list[Effect]:
        """The command, unless its op is one that may be asked for only so often and it comes too soon."""
        op = command.op
        if op.every_s:
            again_at = self._may_again_at = self._may_again_at or {}
            if now < again_at.get(op.name, now):
                return _refused_alone(rate_limited(ceil(op.every_s)), command.id)
            again_at[op.name] = now + op.every_s
        return [command]

    def _unreadable(self, refusal: ImError, now: float) -> list[Effect]:
        """Refuse a frame that `read_frame` could not read; its id is echoed where that much could be read."""
        return self._refused(refusal, refusal.id if isinstance(refusal, BadFrameField) else None, now)

    def _refused(self, refusal: ImError, frame_id: str | None, now: float) -> list[Effect]:
        effects: list[Effect] = [Reply(write_error(refusal, frame_id))]
        if refusal.code == "bad_frame" and self._offends(now):
            self.move(CLOSED)
            effects.append(end(Close.BAD_FRAMES))
        return effects

    def _offends(self, now: float) -> bool:
        """Count a bad frame; whether it was one too many."""
        if self._bad_frames is None:
            self._bad_frames = deque(maxlen=MAX_BAD_FRAMES)
        self._bad_frames.append(now)
        return len(self._bad_frames) == MAX_BAD_FRAMES and now - self._bad_frames[0] <= OFFENCES_WINDOW_S


def _refused_alone(refusal: ImError, frame_id: str | None) -> list[Effect]:
    """A refusal that counts as no offence; without an id nobody waits for it."""
    return [] if frame_id is None else [Reply(write_error(refusal, frame_id))]


OTHERS = ""

# What a frame makes us do, by the session's state and the frame's op; it waits where neither says anything.
STEPS: dict[State, dict[str, Callable[[Session, Frame, float], list[Effect]]]] = {
    CONNECTED: {"login": Session._log_in, OTHERS: Session._end_unknown},
    OPENING: {"login": Session._refuse_login, "heartbeat": Session._beat},
    OPEN: {"login": Session._refuse_login, "heartbeat": Session._beat, OTHERS: Session._command},
}


def heartbeat_frame(frame_id: str | None) -> bytes:
    """`{"op":"heartbeat","data":{"time":...}}`, with the id of the heartbeat that it answers where that has one."""
    return write_frame("heartbeat", codec.write_struct(Heartbeat(now_ms())), frame_id)
