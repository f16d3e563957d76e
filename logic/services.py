"""What the handlers of the parallel worker work with: made once by the composition root, passed to each."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from logic.clock import now_ms
from logic.outcome import Outcome
from logic.work import Work
from protocol.errors import conflict
from protocol.tokens import TokenSigner
from store import done
from store.database import Database
from store.transaction import Transaction


@dataclass(frozen=True)
class Services:
    """`epoch` is the store's: it changes when the store was restored. `refresh_s` is how long a session lasts."""

    database: Database
    signer: TokenSigner
    refresh_s: int
    epoch: str
    now_ms: Callable[[], int] = now_ms


def new_refresh_token() -> str:
    """An opaque refresh token: 256 bits; the store keeps only its hash."""
    return secrets.token_urlsafe(32)


def once(tx: Transaction, work: Work, now: int, decide: Callable[[], Outcome]) -> Outcome:
    """Run a write that leaves no event row at most once for its cid: found again, its first answer is given again.

    Raises ImError conflict where the cid served for other content.
    """
    found = done.find(tx, [work.pair]).get(work.pair)
    if found is not None:
        digest, reply = found
        if digest != work.digest():
            raise conflict()
        return Outcome(reply.encode())
    outcome = decide()
    if isinstance(outcome.reply, bytes):
        done.insert(tx, *work.pair, work.digest(), outcome.reply.decode(), now)
    return outcome
