"""What the handlers of a pool worker work with: made once by logic/app.py, passed to each; any thread may use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from logic.refresh_tokens import RefreshTokens
from protocol.clock import now_ms
from protocol.tokens import TokenSigner
from store.database import Database


@dataclass(frozen=True)
class Services:
    """`signer` makes access tokens, `refresh_tokens` the others. `refresh_s` is for how many seconds a session lasts
    without a refresh. `epoch` names the store's history (store/meta.py). `now_ms` is the clock. `shared_networks` are
    addresses that many users have in common."""

    database: Database
    signer: TokenSigner
    refresh_tokens: RefreshTokens
    refresh_s: int
    epoch: str
    now_ms: Callable[[], int] = now_ms
    shared_networks: tuple[str, ...] = ("127.0.0.1", "::1")
