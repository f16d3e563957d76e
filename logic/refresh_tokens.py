"""Refresh tokens: a family for each session, each token the successor of the one before it. Pure.

Laws (protocol.md section 5, token.refresh):
- The successor derives from its token by HMAC (RFC 2104) with a secret of the server. So a token that is shown twice,
  by two tabs at once or because an answer was lost, has the same successor both times, and none is ever stored.
- A token is good until its successor was shown, and for 60 s after that. One that is shown later was stolen, or its
  owner was robbed: the family ends.
- All of a family begin with its first token, of which the store has the hash. So whatever is left of a family is
  known, however old it is; who shows something that begins so once had a token of it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import NamedTuple

GRACE_MS = 60_000
MAX_ROTATIONS = 60
"""Within `GRACE_MS`; each is remembered for so long."""


class Family(NamedTuple):
    """What is known of a family: the hash of its newest token, and when (ms) that one and those before it came to be,
    the last time first. A token comes to be when the one before it is shown for the first time."""

    newest_hash: str
    rotated: tuple[int, ...]


class Shown(NamedTuple):
    """A good token was shown: its `successor`, and the family as it is now; the same as before unless the token was the
    newest."""

    successor: str
    family: Family


def hashed(token: str) -> str:
    """What the store keeps of a token: SHA-256, hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def first_of_family(token: str) -> str:
    """The first token of the family that `token` belongs to."""
    return token.partition(".")[0]


class RefreshTokens:
    """Makes tokens with one secret of the server. Any thread may use it."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"refresh tokens", "sha256")

    def __repr__(self) -> str:
        return "RefreshTokens()"

    def first(self, session: str) -> str:
        """The first token of a session, always the same: 43 characters."""
        return self._derived(f"first\0{session}")

    def successor(self, token: str) -> str:
        """The token after `token`: at most 87 characters."""
        return f"{first_of_family(token)}.{self._derived(token)}"

    def show(self, token: str, family: Family, now_ms: int) -> Shown | None:
        """What becomes of `family` when `token`, which begins like it, is shown; None: it is too late for this token,
        or it never was one of the family."""
        successor = self.successor(token)
        if hashed(token) == family.newest_hash:
            lately = (time for time in family.rotated if now_ms - time <= GRACE_MS)
            return Shown(successor, Family(hashed(successor), (now_ms, *lately)))
        follower = successor
        for rotated in (now_ms, *family.rotated):
            # `rotated`: when the follower was shown first. The newest was not shown yet.
            if now_ms - rotated > GRACE_MS:
                return None
            if hashed(follower) == family.newest_hash:
                return Shown(successor, family)
            follower = self.successor(follower)
        return None

    def _derived(self, text: str) -> str:
        return base64.urlsafe_b64encode(hmac.digest(self._key, text.encode(), "sha256")).decode().rstrip("=")
