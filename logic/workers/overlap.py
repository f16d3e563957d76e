"""Work that a worker does while the store carries out an INSERT of the batch under way.

Laws: each piece of work is done once, in order. An error of a piece is kept until `finish`, since the caller is in the
middle of an exchange with the store: an error there would leave an answer unread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

Piece = Callable[[], object]


class OverlappedWork:
    """A `while_waiting` of the store: each call does the next piece. For one thread."""

    def __init__(self) -> None:
        self._pieces: deque[Piece] = deque()
        self._failure: Exception | None = None

    def __repr__(self) -> str:
        return f"OverlappedWork({len(self._pieces)} pieces{', failed' if self._failure is not None else ''})"

    def begin(self, *pieces: Piece) -> None:
        """Set the pieces to do. Forgets former pieces and their error."""
        self._pieces = deque(pieces)
        self._failure = None

    def __call__(self) -> None:
        """Do the next piece, if there is one and none has failed. Raises nothing."""
        if self._pieces and self._failure is None:
            try:
                self._pieces.popleft()()
            except Exception as error:
                self._failure = error

    def finish(self) -> None:
        """Do the pieces that are left, unless one has failed: then raise its error. No piece is left afterwards."""
        while self._pieces and self._failure is None:
            self()
        self._pieces.clear()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
