"""What the handlers of the parallel worker work with: made once by the composition root, passed to each."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from protocol.clock import now_ms
from protocol.tokens import TokenSigner
from store.database import Database


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
