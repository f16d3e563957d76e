"""What a worker does while the store carries out an INSERT of the batch under way.

Laws: each piece of work is done once, in its order; what one raises is kept until `finish`, since whoever calls here
is in the middle of an exchange with the store.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

Piece = Callable[[], object]


class OverlappedWork:
    """Called at each wait for the store, it does the next piece."""

    def __init__(self) -> None:
        self._pieces: deque[Piece] = deque()
        self._failure: Exception | None = None

    def __repr__(self) -> str:
        return f"OverlappedWork({len(self._pieces)} pieces{', failed' if self._failure is not None else ''})"

    def begin(self, *pieces: Piece) -> None:
        """What there is to do; nothing is left of what there was."""
        self._pieces = deque(pieces)
        self._failure = None

    def __call__(self) -> None:
        """Do the next piece, if there is one and none has failed."""
        if self._pieces and self._failure is None:
            try:
                self._pieces.popleft()()
            except Exception as error:
                self._failure = error

    def finish(self) -> None:
        """Do what is left, or raise what a piece has raised. Afterwards there is nothing to do."""
        while self._pieces and self._failure is None:
            self()
        self._pieces.clear()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
